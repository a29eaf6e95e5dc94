package cachehandler

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-portico/portico/cachehandler/store"
)

// flight is one fetch of a key from its start until the head of the answer
// shows whether it can be shared. After that the object is in the store, where
// later requests find it while it fills.
type flight struct {
	key string
	// What else of requests has to be equal to join: the variant, as far as
	// Vary is known, what may keep the answer from being shared, and the site: one
	// may be the origin of another, whose flight its own answer would wait for.
	variant string

	unshared bool // nobody joins it
	began    time.Time
	number   uint64 // larger than those of all that began before it
	// insists: it is for requests that do not take what was asked for before they
	// came (RFC 9111 §5.2.1.4).
	insists bool
	class   class // of the leader's request; set before it lands

	// outdated is set when the key was invalidated meanwhile: the answer may be
	// shared with those who wait, but is not stored.
	outdated atomic.Bool
	waiters  atomic.Int32

	next *flight // of the same key; guarded by the shard's mu

	landed chan struct{} // closed by land; nil while nobody waits; guarded by the shard's mu
	over   atomic.Bool   // landed; then result is set
	result landing
}

// landing is what became of a flight.
type landing struct {
	// alone: what follows is for the leader only, everybody else goes to the
	// origin.
	alone  bool
	object *store.Object // the object to share
	err    error         // or the origin's failure, to share as well
	// inParts: there is neither, and those who want less than the whole, or
	// have some of it, ask for what they need.
	inParts bool
	// again: there is neither, and what is stored cannot be validated: everybody
	// looks again, and one of them fetches the whole.
	again    bool
	verbatim string // the Range that object, a part, is the origin's own answer to
	// None of these: everybody goes to the origin, but for a leader who has the answer.
	stored      bool // the object is in the store now
	revalidated bool // the object was there before, and the origin said 304
	status      int  // what the origin answered, 0 for nothing
	panicked    any  // what a handler panicked with before there was a head
}

// flights are the fetches on their way, by key and variant.
type flights struct {
	seed   maphash.Seed
	begun  atomic.Uint64 // how many there were so far
	shards [64]flightShard
}

type flightShard struct {
	mu    sync.Mutex
	byKey map[string]*flight
}

func (fs *flights) init() {
	fs.seed = maphash.MakeSeed()
	for i := range fs.shards {
		fs.shards[i].byKey = make(map[string]*flight)
	}
}

func (fs *flights) shard(key string) *flightShard {
	return &fs.shards[maphash.String(fs.seed, key)%uint64(len(fs.shards))]
}

// next is the number that the next flight has, or a later one.
func (fs *flights) next() uint64 { return fs.begun.Load() + 1 }

// join returns the flight for a key and variant that began after since. lead is
// true for the one who has to carry it out; for everybody else there is one to
// wait for.
//
// from is the first number that the request takes, or 0 for any: else it leads its own
// beside those that began before it came. Only where one is for such requests already
// does it wait for that and then join again, which is to be told by the number: so there
// is one after the other, each for all who came during the one before.
func (fs *flights) join(key, variant string, now, since time.Time, from uint64) (f *flight, lead bool) {
	s := fs.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := s.byKey[key]; f != nil; f = f.next {
		if f.isFor(variant, since) && (f.number >= from || f.insists) {
			f.waiters.Add(1)
			f.awaitLocked()
			return f, false
		}
	}
	for f := s.byKey[key]; f != nil; f = f.next {
		if f.isFor(variant, since) { // and would replace what is newer, if it landed later
			f.outdated.Store(true)
		}
	}
	return s.addLocked(&flight{key: key, variant: variant, began: now, number: fs.begun.Add(1), insists: from > 0}), true
}

// isFor reports a flight that those with a variant may join, if they take one that
// began after since.
func (f *flight) isFor(variant string, since time.Time) bool {
	return f.variant == variant && !f.unshared && f.began.After(since)
}

// alone adds a flight that nobody joins. It is there to be outdated.
func (fs *flights) alone(key string) *flight {
	s := fs.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addLocked(&flight{key: key, unshared: true, began: time.Now(), number: fs.begun.Add(1)})
}

func (s *flightShard) addLocked(f *flight) *flight {
	f.next = s.byKey[f.key]
	s.byKey[f.key] = f
	return f
}

// await makes f one that can be waited for by its leader, too.
func (fs *flights) await(f *flight) {
	s := fs.shard(f.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	f.awaitLocked()
}

func (f *flight) awaitLocked() {
	if f.landed == nil {
		f.landed = make(chan struct{})
	}
}

// land ends a flight. Call it once.
func (fs *flights) land(f *flight, result landing) {
	s := fs.shard(f.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeLocked(f)
	f.result = result
	f.over.Store(true)
	if f.landed != nil {
		close(f.landed)
	}
}

// pending is how many fetches of a key are on their way, how many requests wait
// for one, and when the oldest began.
func (fs *flights) pending(key string) (fetches, waiting int, oldest time.Time) {
	s := fs.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := s.byKey[key]; f != nil; f = f.next { // newest first
		fetches++
		waiting += int(f.waiters.Load())
		oldest = f.began
	}
	return fetches, waiting, oldest
}

// outdate keeps the flights of a key from being stored and from being joined.
func (fs *flights) outdate(key string) {
	s := fs.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := s.byKey[key]; f != nil; f = f.next {
		f.outdated.Store(true)
	}
	delete(s.byKey, key)
}

func (s *flightShard) removeLocked(f *flight) {
	first := s.byKey[f.key]
	for at := &first; *at != nil; at = &(*at).next {
		if *at == f {
			*at = f.next
			break
		}
	}
	if first == nil {
		delete(s.byKey, f.key)
		return
	}
	s.byKey[f.key] = first
}
