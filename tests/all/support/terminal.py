"""Runs a program on a terminal of its own and plays a part: waits for texts on its screen, types, resizes, signals.

    python3 terminal.py COLUMNS ROWS STEPS PROGRAM [ARGUMENT...]

STEPS is a JSON list: ["wait", TEXT], ["type", KEYS], ["size", COLUMNS, ROWS], ["signal", NUMBER], ["show"].
Prints a JSON object: exit code, waits that were not met, what the program wrote last, the last screen, screens shown.
"""
import codecs, fcntl, json, os, pty, re, select, struct, sys, termios, time

WAIT = 40
TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[=>78()][A-B0]?|[\x00-\x1f]|[^\x00-\x1f]")


class Screen:
    """As much of a terminal as a full-screen program needs: moves, text, clearing."""

    def __init__(self, columns, rows):
        self.columns, self.rows, self.x, self.y, self.cells = columns, rows, 0, 0, {}

    def feed(self, text):
        for token in TOKEN.finditer(text):
            whole, arguments, command = token.group(0), token.group(1), token.group(2)
            numbers = [int(n) if n.isdigit() else 0 for n in (arguments or "").split(";")]
            if command in ("H", "f"):
                self.y, self.x = max(numbers[0], 1) - 1, max((numbers + [1])[1], 1) - 1
            elif command == "J" or (command == "h" and arguments == "?1049"):
                self.cells = {}
            elif whole == "\r":
                self.x = 0
            elif whole == "\n":
                self.y += 1
            elif not whole.startswith("\x1b") and whole >= " ":
                self.cells[self.y, self.x] = whole
                self.x += 1

    def text(self):
        line = lambda y: "".join(self.cells.get((y, x), " ") for x in range(self.columns)).rstrip()
        return "\n".join(line(y) for y in range(self.rows))


def size(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main():
    columns, rows, steps, program = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4:]
    child, fd = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm-256color"
        time.sleep(0.3)  # the size is set first
        os.execvp(program[0], program)
    size(fd, columns, rows)
    screen, decoder = Screen(columns, rows), codecs.getincrementaldecoder("utf-8")("replace")
    written, open_ = "", True

    def read(seconds):
        nonlocal written, open_
        ready, _, _ = select.select([fd], [], [], seconds)
        if not ready:
            return
        try:
            more = os.read(fd, 65536)
        except OSError:
            more = b""
        open_ = open_ and bool(more)
        text = decoder.decode(more)
        written += text
        screen.feed(text)

    missed, shown = [], []
    for step in steps:
        if step[0] == "wait":
            end = time.time() + WAIT
            while step[1] not in screen.text() and open_ and time.time() < end:
                read(0.2)
            if step[1] not in screen.text():
                missed.append(step[1])
        elif step[0] == "type":
            os.write(fd, step[1].encode())
        elif step[0] == "size":
            screen.columns, screen.rows = step[1], step[2]
            size(fd, step[1], step[2])
        elif step[0] == "signal":
            os.kill(child, step[1])
        elif step[0] == "show":
            shown.append(screen.text())
    last = screen.text()
    end = time.time() + WAIT
    while open_ and time.time() < end:
        read(0.2)
    if open_:
        os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    print(json.dumps({"code": os.waitstatus_to_exitcode(status), "missed": missed, "tail": written[-400:],
                      "screen": last, "shown": shown, "written": written[-4000:]}))


main()
