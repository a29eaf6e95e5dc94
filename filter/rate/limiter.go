// Package rate limits how often a key may do something, by an exact sliding
// window: `limit 10/1m` lets ten through at once, and no more than ten in any
// minute. A token bucket or a plain GCRA does not keep that: it lets ten through
// at once and then one every six seconds, nineteen in the first minute. What
// keeps it is the log of the times of the requests that were let through, as far
// as they are in the window; the n-th last one says whether there is room.
//
// What is promised:
//   - Never more than the quota in any window, whatever the key does and from
//     however many goroutines. Refused requests do not count: who waits for as
//     long as Reset says is let through.
//   - Up to exactQuota (64) the log is exact, to one part in 10⁸ of the window and
//     never early. Above, requests are counted in 64 parts of the window: a
//     request may then count up to 1/64 of the window longer than it should,
//     never shorter.
//   - A burst is kept by GCRA beside the log (policy.go): the log bounds every
//     window, GCRA the long run.
//   - Memory is bounded (Config.MaxBytes); at the bound the key is forgotten that
//     is the least loss (evict.go). Keys are not stored, only their hashes, with a
//     seed that no client knows.
//   - A decision about a known key allocates nothing and takes one lock, of one of
//     many shards, for well below a microsecond.
//
// The package knows no clock: every call brings a reading. Readings are best
// those of time.Now, which count on monotonically when the wall clock is set;
// one that lies before an earlier one counts as that one.
package rate

import (
	"hash/maphash"
	"math/bits"
	"time"
)

// DefaultMaxBytes is what a Limiter may take if nothing is said: a million keys
// of 10/1m.
const DefaultMaxBytes = 64 << 20

// A Config says what a Limiter keeps.
type Config struct {
	Policy
	MaxBytes int64 // of memory; 0 is DefaultMaxBytes, at least 64 KiB are taken
}

// A Limiter holds the counters of all keys of one policy. Its methods may be
// called from many goroutines at once.
type Limiter struct {
	policy Policy
	layout layout
	start  time.Time
	seed   maphash.Seed
	shift  uint // of a hash, to get its shard
	shards []shard
}

// New makes a Limiter whose time begins at now. The error is that of
// Policy.Validate.
func New(c Config, now time.Time) (*Limiter, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	l := &Limiter{policy: c.Policy, layout: newLayout(c.Policy), start: now, seed: maphash.MakeSeed()}
	keys := max(c.MaxBytes, 64<<10) / l.layout.keyBytes()
	n := shardsFor(keys)
	l.shift = 64 - uint(bits.TrailingZeros(uint(n)))
	l.shards = make([]shard, n)
	for i := range l.shards {
		l.shards[i].init(&l.layout, int(keys)/n)
	}
	return l, nil
}

// shardsFor returns a power of two: enough shards that two cores seldom meet and
// that none has more records than an index entry can number, few enough that the
// keys are about equally many in each.
func shardsFor(keys int64) int {
	n := 1
	for n < 64 && keys/int64(n) > 256 || keys/int64(n) >= maxRecords {
		n *= 2
	}
	return n
}

// Policy returns what the Limiter was made with.
func (l *Limiter) Policy() Policy { return l.policy }

// MaxKeys is the number of keys that fit into the memory allowed.
func (l *Limiter) MaxKeys() int { return len(l.shards) * l.shards[0].maxRecords }

// Take asks for one request of a key and counts it if it is let through.
func (l *Limiter) Take(key string, now time.Time) Result {
	return l.take(maphash.String(l.seed, key), now)
}

// TakeBytes is Take for a key in a buffer, which may be used again afterwards.
func (l *Limiter) TakeBytes(key []byte, now time.Time) Result {
	return l.take(maphash.Bytes(l.seed, key), now)
}

func (l *Limiter) take(hash uint64, now time.Time) Result {
	s, t := l.at(hash, now)
	s.Lock()
	defer s.Unlock()
	return s.take(hash, t)
}

// Peek says what is left to a key, and counts nothing. Allowed is whether Take
// would let a request through.
func (l *Limiter) Peek(key string, now time.Time) Result {
	hash := maphash.String(l.seed, key)
	s, t := l.at(hash, now)
	s.Lock()
	defer s.Unlock()
	return s.peek(hash, t)
}

// Forget drops what is known of a key, which thereby has its whole quota again.
func (l *Limiter) Forget(key string) { l.forget(maphash.String(l.seed, key)) }

// ForgetBytes is Forget for a key in a buffer.
func (l *Limiter) ForgetBytes(key []byte) { l.forget(maphash.Bytes(l.seed, key)) }

func (l *Limiter) forget(hash uint64) {
	s, _ := l.at(hash, l.start)
	s.Lock()
	defer s.Unlock()
	s.forget(hash)
}

// at returns the shard of a hash, and now in nanoseconds since the start.
func (l *Limiter) at(hash uint64, now time.Time) (*shard, int64) {
	return &l.shards[hash>>l.shift], max(0, int64(now.Sub(l.start)))
}

// Stats are sums over all shards.
type Stats struct {
	Keys    int   // known now, among them ones whose window has passed
	Bytes   int64 // taken by records and indexes
	Evicted int64 // keys forgotten while they still counted, since the start
}

// Stats adds up what is held. It takes every lock in turn.
func (l *Limiter) Stats() Stats {
	var sum Stats
	for i := range l.shards {
		s := &l.shards[i]
		s.Lock()
		sum.Keys += s.live
		sum.Bytes += s.bytes()
		sum.Evicted += s.evicted
		s.Unlock()
	}
	return sum
}
