package cachehandler

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/caddy-portico/portico/cachehandler/store"
)

// flight is one fetch of a key from its start until the head of the answer
// shows whether it can be shared. After that the object is in the store, where
// later requests find it while it fills.
type flight struct {
	key string
	// What else of requests has to be equal to join: the variant, as far as
	// Vary is known, the class and the server. The last, since a server may be the
	// origin of another, whose flight its own answer would wait for.
	variant string

	// outdated is set when the key was invalidated meanwhile: the answer may be
	// shared with those who wait, but is not stored.
	outdated atomic.Bool
	waiters  atomic.Int32

	landed chan struct{} // closed once; then result is set
	result landing
}

// landing is what became of a flight.
type landing struct {
	object *store.Object // the object to share
	err    error         // or the origin's failure, to share as well
	// Neither: the answer is the leader's alone, everybody else goes to the origin.
	stored      bool // the object is in the store now
	revalidated bool // the object was there before, and the origin said 304
	status      int  // what the origin answered, 0 for nothing
	panicked    any  // what a handler panicked with before there was a head
}

// flights are the fetches on their way, by key and variant.
type flights struct {
	seed   maphash.Seed
	shards [64]flightShard
}

type flightShard struct {
	mu    sync.Mutex
	byKey map[string][]*flight
}

func (fs *flights) init() {
	fs.seed = maphash.MakeSeed()
	for i := range fs.shards {
		fs.shards[i].byKey = make(map[string][]*flight)
	}
}

func (fs *flights) shard(key string) *flightShard {
	return &fs.shards[maphash.String(fs.seed, key)%uint64(len(fs.shards))]
}

// join returns the flight for a key and variant. lead is true for the one who
// has to carry it out; for everybody else there is one to wait for.
func (fs *flights) join(key, variant string) (f *flight, lead bool) {
	s := fs.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.byKey[key] {
		if f.variant == variant {
			f.waiters.Add(1)
			return f, false
		}
	}
	f = &flight{key: key, variant: variant, landed: make(chan struct{})}
	s.byKey[key] = append(s.byKey[key], f)
	return f, true
}

// land ends a flight. Call it once.
func (fs *flights) land(f *flight, result landing) {
	s := fs.shard(f.key)
	s.mu.Lock()
	s.removeLocked(f)
	s.mu.Unlock()
	f.result = result
	close(f.landed)
}

// outdate keeps the flights of a key from being stored and from being joined.
func (fs *flights) outdate(key string) {
	s := fs.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.byKey[key] {
		f.outdated.Store(true)
	}
	delete(s.byKey, key)
}

func (s *flightShard) removeLocked(f *flight) {
	fs := s.byKey[f.key]
	for i := range fs {
		if fs[i] == f {
			fs = append(fs[:i:i], fs[i+1:]...)
			break
		}
	}
	if len(fs) == 0 {
		delete(s.byKey, f.key)
		return
	}
	s.byKey[f.key] = fs
}
