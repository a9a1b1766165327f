"""Greets through the interface in ../wit/greeter.wit, with the clock, the randomness and the output
of the language, not with those of WASI: they lead there all the same."""

import random
import time

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.greetings import Greeting

# The generator of the module is seeded while the component is built, so it would give the same numbers
# in every run. This one asks each time.
RANDOM = random.SystemRandom()

names: set[str] = set()


class Greetings(exports.Greetings):
    def greet(self, name: str, times: int) -> list[Greeting]:
        if name == "":
            raise Err("nobody to greet")
        names.add(name)
        made = []
        for number in range(1, times + 1):
            text = f"hello {name}, for the {number}. time from Python"
            print(text, flush=True)
            made.append(Greeting(text, time.time_ns() // 1_000_000, RANDOM.random()))
        return made

    def remembered(self) -> list[str]:
        return sorted(names)
