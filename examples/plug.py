"""A plug: registers, waits for the operator, writes records into a HAT and waits until they are settled.

    python plug.py plug:fitbit fitbit.key bob.hubat.net [records]
"""
import asyncio, json, random, sys, time
from dexpy import Party, Refused


async def main(address, seed_file, hat, records=3):
    plug = await Party.connect(address, seed_file)
    try:
        # The namespace is the first part of every endpoint that this plug may write.
        await plug.send(address, "register", {"key": plug.public, "name": "Fitbit (example)", "namespace": plug.id})
        print("registered; an operator approves it: dex plug approve", plug.id, plug.public, flush=True)
    except Refused as refused:
        if refused.reason != "already-exists":
            raise
    await plug.approved()
    print("approved", flush=True)

    waiting = set()
    for n in range(int(records)):
        record = {"endpoint": f"{plug.id}/activity/day/summary",
                  "data": {"dateCreated": time.strftime("%Y-%m-%d"), "steps": random.randint(500, 15000), "n": n}}
        # Its owner decides when this plug may write.
        outcome = await plug.until("not-connected", "unknown-party",
                                   call=lambda: plug.send(f"hat:{hat}", f"credit/{plug.id}", [record]))
        print("credit", outcome["exchange"], outcome["status"], "leaf", outcome["leaf"]["index"], flush=True)
        waiting.add(outcome["exchange"])

    async for topic, message in plug.inbox():
        for outcome in json.loads(message.data) if topic == "outcome" else []:
            if outcome["exchange"] in waiting and outcome["status"] not in ("accepted", "pending"):
                print("final", outcome["exchange"], outcome["status"], outcome.get("reason", ""), flush=True)
                waiting.discard(outcome["exchange"])
        await message.ack()
        if not waiting:
            return


asyncio.run(main(*sys.argv[1:]))
