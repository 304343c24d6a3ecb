"""A HAT: lets a plug write, keeps what comes, accepts a data debit and releases what it has kept.

    python hat.py hat:bob.hubat.net bob.key fitbit acme.steps [deliveries]

The HAT is registered by its platform beforehand: dex hat register bob.hubat.net <public key>
"""
import asyncio, json, sys
from dexpy import Party, Refused

kept = {}  # delivery id -> records; a HAT stores them for good before it sends the receipt


async def main(address, seed_file, plug, debit, deliveries=0):
    hat = await Party.connect(address, seed_file)
    await hat.approved()
    # What the owner decides: this plug may write, this debit may read.
    try:
        await hat.until("not-approved", "unknown-party", "not-found", call=lambda: hat.send(address, f"plug-connect/{plug}"))
    except Refused as refused:
        if refused.reason != "already-exists":  # connected at an earlier start
            raise
    print("connected", plug, flush=True)
    agreed = asyncio.create_task(agree(hat, address, debit))
    releases = []

    async for topic, message in hat.inbox():
        if topic == "delivery":
            name = message.headers["Dex-Id"]
            new = name not in kept
            body = json.loads(message.data)
            if isinstance(body, dict) and "object" in body:
                print("large content, which this small HAT leaves to expire", flush=True)
                await message.ack()
                continue
            kept[name] = body
            outcome = await hat.receipt(message)
            print("kept", len(kept[name]), "records from", message.headers["Dex-Source"], outcome["status"], flush=True)
            if new:
                releases.append(asyncio.create_task(release(hat, address, agreed, message.data)))
        elif topic == "request":  # a client of a debit asks for what there is
            records = [record for body in kept.values() for record in body]
            asked = message.headers["Dex-Authority"].split(":", 1)[1]
            await hat.send(address, f"release/{asked}", records, **{"Dex-Pull": message.headers["Dex-Pull"]})
        await message.ack()
        if deliveries and len(kept) >= int(deliveries):
            await asyncio.gather(*releases)
            return


async def release(hat, address, agreed, data):
    """Once the owner has agreed: one exchange for each active debit that selects any of these records."""
    await agreed
    try:
        outcome = await hat.send(address, "data", data)
        print("released as", [part["exchange"] for part in outcome["parts"]], flush=True)
    except Refused as refused:
        if refused.reason != "nothing-selected":
            raise
        print("kept only: no debit asks for these", flush=True)


async def agree(hat, address, debit):
    try:
        await hat.until("debit-not-found", "not-found", call=lambda: hat.send(address, f"debit-enable/{debit}"))
    except Refused as refused:
        if refused.reason not in ("wrong-state", "already-exists"):  # enabled already
            raise
    print("enabled", debit, flush=True)


asyncio.run(main(*sys.argv[1:]))
