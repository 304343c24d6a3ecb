/** A real exchange for one test file: `dex serve` with a nats-server of its own, on ports of the system's choice. */

import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { SigningKey, connect, loadKey, storeKey } from "../src/node.js";
import type { Client, ConnectOptions } from "../src/node.js";

/** The package, from build/test/. */
export const PACKAGE = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
/** The repository. */
export const ROOT = resolve(PACKAGE, "../..");
/** The program under test. */
export const DEX = process.env["DEX_BINARY"] ?? join(ROOT, "target/debug/dex");

/** The broker reserves what streams and buckets may take: little, so that a full disk is no hindrance. */
const SMALL = "[streams]\nin_max_bytes = 67108864\nout_max_bytes = 67108864\n[limits]\nlarge_content_bytes = 8388608\n[large]\nstore_bytes = 33554432";

/** A running exchange with the operator `operator:main`. */
export class Exchange {
  #child: ChildProcess | undefined;
  readonly #clients: Client[] = [];

  private constructor(readonly folder: string, readonly url: string, readonly websocket: string | undefined, child: ChildProcess, readonly options: Partial<ConnectOptions>) {
    this.#child = child;
  }

  /** Starts one. `more`: TOML after the usual configuration; `nats`: that of its broker; `options`: how its clients connect. */
  static async start(more = "", nats = "[nats.embedded]\nport = 0", options: Partial<ConnectOptions> = {}): Promise<Exchange> {
    const folder = await mkdtemp(join(tmpdir(), "dex-client-"));
    const operator = SigningKey.generate();
    await storeKey(join(folder, "main.key"), operator);
    const config = [
      `[exchange]\norigin = "dex.test"\nstate_dir = ${JSON.stringify(join(folder, "state"))}`,
      `[[operator]]\nname = "main"\nkeys = ["${operator.publicKey}"]`,
      nats, more, SMALL, `[http]\nlisten = "127.0.0.1:0"`, `[log]\nformat = "json"`,
    ];
    await writeFile(join(folder, "dex.toml"), config.join("\n"));
    const child = spawn(DEX, ["serve", "--config", join(folder, "dex.toml")], { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] });
    // A test that is cut short leaves nothing behind.
    process.once("exit", () => child.kill("SIGKILL"));
    process.once("SIGTERM", () => process.exit(143));
    const said: string[] = [];
    const ready = new Promise<{ nats: string; websocket?: string }>((done, failed) => {
      const late = setTimeout(() => fail(new Error(`not ready: ${said.join("\n")}`)), 60_000);
      const fail = (error: Error): void => {
        clearTimeout(late);
        failed(error);
      };
      child.once("error", fail);
      child.once("exit", (code) => fail(new Error(`ended with ${code}: ${said.join("\n")}`)));
      createInterface({ input: child.stderr }).on("line", (line) => {
        said.push(line);
        // What it says when it cannot start is plain text.
        if (!line.startsWith("{")) return;
        const { fields } = JSON.parse(line) as { fields: { message: string; nats: string; websocket?: string } };
        if (fields.message !== "ready") return;
        clearTimeout(late);
        done(fields);
      });
    });
    try {
      const { nats: url, websocket } = await ready;
      return new Exchange(folder, url, websocket, child, options);
    } catch (error) {
      child.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** The daemon's process. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** A file in its folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** The key in `<name>.key`, made by `dex keys new` when there is none. */
  async key(name: string): Promise<SigningKey> {
    const path = this.path(`${name}.key`);
    try {
      return await loadKey(path);
    } catch {
      await this.dex("keys", "new", path);
      return loadKey(path);
    }
  }

  /** Runs a verb of the program against this exchange; what it prints. */
  async dex(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(DEX, args, { env: { ...process.env, DEX_URL: this.url } });
    return stdout;
  }

  /** A client for `party`, with the key `<name>.key`. */
  async client(party: string, name = party.split(":")[1]?.split(".")[0] ?? party): Promise<Client> {
    const client = await connect({ url: this.url, party, key: await this.key(name), ...this.options });
    this.#clients.push(client);
    return client;
  }

  /** Registers and approves: a platform, Bob's HAT with Fitbit connected, Acme. */
  async cast(): Promise<{ operator: Client; bob: Client; fitbit: Client; acme: Client }> {
    const operator = await this.client("operator:main");
    const platform = operator.speaking("platform:hubat.net", await this.key("platform"));
    const bob = await this.client("hat:bob.hubat.net");
    const fitbit = await this.client("plug:fitbit");
    const acme = await this.client("org:acme");
    const key = async (name: string): Promise<string> => (await this.key(name)).publicKey;
    await operator.send("platform:hubat.net", ["certify"], { key: await key("platform"), name: "Platform" });
    await platform.send("hat:bob.hubat.net", ["register"], { key: await key("bob") });
    await fitbit.register({ name: "Fitbit", namespace: "fitbit" });
    await acme.register({ name: "Acme" });
    await operator.send("plug:fitbit", ["approve"], { key: await key("fitbit") });
    await operator.send("org:acme", ["approve"], { key: await key("acme") });
    await bob.connectPlug("fitbit");
    return { operator, bob, fitbit, acme };
  }

  /** Ends it, and removes its folder. */
  async stop(): Promise<void> {
    for (const client of this.#clients) await client.close().catch(() => undefined);
    const child = this.#child;
    this.#child = undefined;
    if (child !== undefined && child.exitCode === null) {
      const ended = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 30_000);
      await ended;
      clearTimeout(late);
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A nats-server with this text in its configuration. */
export async function broker(authorization: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "dex-client-"));
  const config = join(folder, "nats.conf");
  await writeFile(config, `listen: "127.0.0.1:-1"\nports_file_dir: "${folder}"\njetstream { store_dir: "${folder}" }\n${authorization}\n`);
  const server = spawn(process.env["DEX_NATS_SERVER"] || join(ROOT, ".tools/nats-server"), ["-c", config], { stdio: "ignore" });
  process.once("exit", () => server.kill("SIGKILL"));
  const ended = new Promise((done) => server.once("exit", done));
  const stop = async (): Promise<void> => {
    server.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  for (let tries = 0; tries < 200; tries++) {
    const ports = (await readdir(folder)).find((name) => name.endsWith(`_${server.pid}.ports`));
    // It may be half written.
    const text = ports === undefined ? "" : await readFile(join(folder, ports), "utf8");
    const url = /"(nats:\/\/[^"]+)"/.exec(text)?.[1];
    if (url !== undefined) return { url, stop };
    await new Promise((done) => setTimeout(done, 50));
  }
  await stop();
  throw new Error("the broker did not start");
}

/** Terms of a debit on steps, for Acme. */
export const STEPS = {
  client: "org:acme", purpose: "A study of walking", periodSeconds: 86_400,
  bundle: { name: "steps", bundle: { steps: { endpoints: [{ endpoint: "fitbit/steps" }] } } },
} as const;
