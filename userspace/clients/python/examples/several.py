"""Gets frames of several sessions at once, and of one that is stopped too: several.py FRAMES SESSION..."""

import asyncio
import sys

import onair


async def follow(name: str, count: int) -> None:
    with onair.attach(name) as session:
        async for frame in session:
            print(f"{name}: frame {frame.number} at {frame.media_time_ns} ns")
            count -= 1
            if count == 0:
                break


async def main() -> None:
    async with asyncio.TaskGroup() as tasks:
        for name in sys.argv[2:]:
            tasks.create_task(follow(name, int(sys.argv[1])))


asyncio.run(main())
