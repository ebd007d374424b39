"""Events, their delays, and the silences between them."""

from bench.events import EVENT, chunk, event, stamps
from bench.readers import Reader


def test_events_carry_the_moment_they_were_sent():
    octets = chunk(EVENT % 11) + chunk(EVENT % 22)

    assert stamps(octets)[0] == [11, 22]
    assert len(stamps(event())[0]) == 1


def test_an_event_cut_anywhere_is_counted_once():
    octets = chunk(EVENT % 11) + chunk(EVENT % 22)

    for cut in range(len(octets) + 1):
        reader = Reader()
        delays = reader.read(octets[:cut], 100) + reader.read(octets[cut:], 100)
        assert delays == [89, 78], cut


def test_the_longest_silence_is_kept():
    reader = Reader(last_ns=0)

    for now_ns in (50, 250, 300):
        reader.read(EVENT % 1, now_ns)

    assert reader.gap_ns == 200


def test_octets_without_an_event_do_not_end_a_silence():
    reader = Reader(last_ns=10)

    reader.read(b": a comment\n\n", 500)

    assert (reader.last_ns, reader.gap_ns) == (10, 0)
