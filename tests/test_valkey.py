"""The embedded Valkey: ready means that it can be used."""

from __future__ import annotations

from support.isolation import lease
from support.isolation.names import Run
from support.stack import servers
from support.stack.ports import free_ports
from tests.own_stores import workshop_of

# While it loads, it looks after its clients once in 1,024 commands.
KEYS = 20_000
# Microseconds for each key: some seconds in all, far longer than to ask for one key.
SLOW_LOADING = ("--key-load-delay", "100")


def test_a_valkey_that_was_started_anew_is_not_ready_before_it_has_loaded_what_it_held() -> None:
    with workshop_of(Run.current()) as (workshop, closing):
        valkey = servers.valkey(workshop, free_ports(1)[0])
        closing.callback(valkey.service.stop)
        valkey.service.start()
        with lease.connect(valkey.url) as client:
            for number in range(KEYS):
                client.set(f"key-{number}", number)
        valkey.service.stop()
        valkey.service.command = [*valkey.service.command, *SLOW_LOADING]
        valkey.service.start()
        with lease.connect(valkey.url) as client:
            assert client.exists(f"key-{KEYS - 1}")
