"""An organisation: registers, proposes a data debit to a HAT, receives what its owner lets it have.

    python org.py org:acme acme.key bob.hubat.net acme.steps fitbit/activity/day/summary [deliveries]
"""
import asyncio, json, sys
from dexpy import Party, Refused


async def main(address, seed_file, hat, debit, endpoint, deliveries=0):
    org = await Party.connect(address, seed_file)
    try:
        await org.send(address, "register", {"key": org.public, "name": "Acme (example)"})
        print("registered; an operator approves it: dex org approve", org.id, org.public, flush=True)
    except Refused as refused:
        if refused.reason != "already-exists":
            raise
    await org.approved()
    print("approved", flush=True)

    terms = {"client": address, "purpose": "An example study of walking", "periodSeconds": 30 * 86400,
             "bundle": {"name": "steps", "bundle": {"steps": {"endpoints": [{"endpoint": endpoint}]}}}}
    try:
        await org.until("unknown-party", call=lambda: org.send(f"hat:{hat}", f"debit-propose/{debit}", terms))
        print("proposed", debit, "to", hat, flush=True)
    except Refused as refused:
        if refused.reason != "already-exists":
            raise

    stored = {}  # apply each delivery once, by its id
    async for topic, message in org.inbox():
        if topic == "delivery":
            body = json.loads(message.data)
            if isinstance(body, dict) and "object" in body:
                print("large content, which this small organisation leaves to expire", flush=True)
                await message.ack()
                continue
            stored[message.headers["Dex-Id"]] = body
            outcome = await org.receipt(message)
            print("received", stored[message.headers["Dex-Id"]], "from", message.headers["Dex-Source"], outcome["status"], flush=True)
        await message.ack()
        if deliveries and len(stored) >= int(deliveries):
            return


asyncio.run(main(*sys.argv[1:]))
