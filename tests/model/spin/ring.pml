/* Publish, drain and wake-up: producers that write records into pages, and the consumer that drains,
 * releases and sleeps, with stores that become visible late.
 *
 * What shm/page_ring.hpp and shm/doorbell.hpp do, written down a second time for Spin, which looks at
 * every order of every step. Spin reports:
 *   - a lost wake-up: the consumer sleeps for ever (invalid end state), as nothing has a timeout here;
 *   - a torn or repeated record, or a page out of its order: an assertion in drain();
 *   - a page that is released twice, or under its writer: an assertion in release().
 *
 * The other way round it must find the error when one of these is defined:
 *   NO_BARRIER     the consumer's membarrier is left out
 *   LOOK_FIRST     a producer looks at WAITING before it publishes, not after
 *   WEAK_PUBLISH   `committed` may become visible before the record
 *   RELEASE_FIRST  a full page is released before it is read to its end
 *   RELEASE_TWICE  the consumer forgets that it has released a page
 */
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef RECORDS
#define RECORDS 4 /* by each producer */
#endif
#define PAGES 2
#define PER_PAGE 2

#define FREE 0
#define WRITING 1
#define FULL 2

#define VALUE(producer, number) ((producer) * 16 + (number) + 1)

typedef Page {
    byte state;
    byte owner;
    byte first; /* number of its first record, of its owner's */
    byte committed;
    byte record[PER_PAGE]
};
Page pages[PAGES];
bool waiting;
byte word;

/* Stores of a producer that nobody else sees yet. */
typedef Buffer {
    bool has_record;
    byte record_page;
    byte record_at;
    byte record_value;
    bool has_committed;
    byte committed_page;
    byte committed_value
};
Buffer buffers[PRODUCERS];

inline show_record(p) {
    pages[buffers[p].record_page].record[buffers[p].record_at] = buffers[p].record_value;
    buffers[p].has_record = false
}
inline show_committed(p) {
    pages[buffers[p].committed_page].committed = buffers[p].committed_value;
    buffers[p].has_committed = false
}
/* What a locked instruction of this processor, or a membarrier on it, does first. */
inline show_all(p) {
    if :: buffers[p].has_record -> show_record(p) :: else fi;
    if :: buffers[p].has_committed -> show_committed(p) :: else fi
}

/* The processor shows a store whenever it likes, but what was released (committed) behind what came
 * before it. */
proctype StoreBuffer(byte p) {
end:
    do
    :: atomic { buffers[p].has_record -> show_record(p) }
#ifdef WEAK_PUBLISH
    :: atomic { buffers[p].has_committed -> show_committed(p) }
#else
    :: atomic { buffers[p].has_committed && !buffers[p].has_record -> show_committed(p) }
#endif
    od
}

proctype Producer(byte p) {
    byte number = 0;
    byte page = 0;
    byte at = PER_PAGE; /* records in the page; PER_PAGE: there is none */
    bool seen = false;
    do
    :: number == RECORDS -> break
    :: number < RECORDS ->
        /* A page: the ring's compare-and-exchange. Who finds none rings, and tries again. */
        if
        :: at == PER_PAGE ->
            do
            :: atomic {
                pages[0].state == FREE -> page = 0; show_all(p); pages[0].state = WRITING; break
            }
            :: atomic {
                pages[1].state == FREE -> page = 1; show_all(p); pages[1].state = WRITING; break
            }
            :: atomic {
                pages[0].state != FREE && pages[1].state != FREE && waiting && word == 1 ->
                show_all(p);
                word = 0
            }
            od;
            /* The header, published by its generation. */
            atomic {
                pages[page].owner = p;
                pages[page].first = number;
                pages[page].committed = 0;
                at = 0
            }
        :: else
        fi;
        atomic {
            !buffers[p].has_record ->
            buffers[p].record_page = page;
            buffers[p].record_at = at;
            buffers[p].record_value = VALUE(p, number);
            buffers[p].has_record = true
        }
#ifdef LOOK_FIRST
        seen = waiting;
#endif
        atomic {
            !buffers[p].has_committed ->
            buffers[p].committed_page = page;
            buffers[p].committed_value = at + 1;
            buffers[p].has_committed = true
        }
#ifndef LOOK_FIRST
        seen = waiting;
#endif
        if
        :: seen -> atomic { show_all(p); word = 0; seen = false } /* exchange, and the wake-up */
        :: else
        fi;
        number++;
        at++;
        if
        :: at == PER_PAGE -> atomic { show_all(p); pages[page].state = FULL }
        :: else
        fi
    od;
    /* The last page stays its own, as that of an idle thread. */
}

byte position[PAGES]; /* of the consumer in each page */
byte expected[PRODUCERS];
byte left = PRODUCERS * RECORDS;

#define HAS_NEWS(g)                                                       \
    (pages[g].state != FREE && pages[g].committed > position[g] &&        \
     pages[g].first + position[g] == expected[pages[g].owner])

inline release(g) {
    atomic {
        assert(pages[g].state == FULL);
        position[g] = 0;
        pages[g].committed = 0; /* of another generation from here on */
        pages[g].state = FREE
    }
}

inline drain(g) {
    upto = pages[g].committed;
    do
    :: position[g] < upto ->
        owner = pages[g].owner;
        assert(pages[g].record[position[g]] == VALUE(owner, expected[owner]));
        expected[owner]++;
        position[g]++;
        left--
    :: else -> break
    od
}

proctype Consumer() {
    byte g = 0;
    byte upto = 0;
    byte owner = 0;
    bool any = false;
    do
    :: left == 0 -> break
    :: else ->
        any = false;
        g = 0;
        do
        :: g == PAGES -> break
        :: else ->
#ifdef RELEASE_FIRST
            if :: pages[g].state == FULL && HAS_NEWS(g) -> pages[g].state = FREE :: else fi;
#endif
            if
            :: HAS_NEWS(g) -> any = true; drain(g)
            :: else
            fi;
            if
#ifdef RELEASE_TWICE
            :: pages[g].state == FULL && position[g] == PER_PAGE -> release(g); release(g)
#else
            :: pages[g].state == FULL && position[g] == PER_PAGE -> any = true; release(g)
#endif
            :: else
            fi;
            g++
        od;
        if
        :: any || left == 0
        :: else ->
            word = 1;
            waiting = true;
#ifndef NO_BARRIER
            atomic {
                owner = 0;
                do
                :: owner < PRODUCERS -> show_all(owner); owner++
                :: else -> break
                od
            }
#endif
            /* Once more; then sleep until the word is 0. Pages that wait for release have news, too. */
            if
            :: HAS_NEWS(0) || HAS_NEWS(1) ||
               (pages[0].state == FULL && position[0] == PER_PAGE) ||
               (pages[1].state == FULL && position[1] == PER_PAGE)
            :: else -> word == 0
            fi;
            waiting = false;
            word = 0
        fi
    od
}

init {
    byte p = 0;
    atomic {
        do
        :: p < PRODUCERS -> run Producer(p); run StoreBuffer(p); p++
        :: else -> break
        od;
        run Consumer()
    }
}
