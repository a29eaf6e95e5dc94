// Package top counts by client which ones come up most, in bounded memory.
//
// It is the Space-Saving algorithm (Metwally, Agrawal, El Abbadi 2005) in shards:
// a client that is new to a full shard takes the place of the one with the
// smallest count, and begins where that one was. What is promised, of a shard:
//   - A count is never too small, and too large by no more than its Error.
//   - Whoever has more than one in `slots` of all that fell into the shard is in it.
//
// Counts are of the current hour and the one before it: who was busy last week is
// not at the top for ever.
package top

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	shards = 32
	slots  = 128       // clients in a shard
	period = time.Hour // of one generation; there are two
)

// MaxReasons is the number of different reasons that are counted by client.
const MaxReasons = 16

// Top holds the counts. Its methods may be called from many goroutines at once.
type Top struct {
	seed   uint64
	shards [shards]shard
}

// A shard holds the clients of a part of all addresses, in two generations.
type shard struct {
	mu    sync.Mutex
	now   generation // since began
	last  generation // the period before
	began time.Time
}

type generation struct {
	clients map[netip.Prefix]int // where they are
	counts  []uint64             // by themselves: the smallest is looked for often
	more    []detail
}

type detail struct {
	client  netip.Prefix
	err     uint64
	reasons [MaxReasons]uint32
	last    time.Time
}

// A Client is one of those that come up most.
type Client struct {
	Client netip.Prefix
	Count  uint64
	Error  uint64             // by how much Count is too large at most
	By     [MaxReasons]uint64 // by reason, as far as it was counted
	Last   time.Time
}

// New makes an empty Top.
func New() *Top { return &Top{seed: rand.Uint64()} }

// Add counts a client for a reason, below MaxReasons.
func (t *Top) Add(client netip.Prefix, reason int, now time.Time) {
	s := &t.shards[t.shardOf(client)]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	s.now.add(client, reason, now)
}

// Since is when the counting of what List tells began, at the earliest.
func Since(now time.Time) time.Time { return now.Truncate(period).Add(-period) }

// List returns the n clients that came up most, the first of them first.
func (t *Top) List(n int, now time.Time) []Client {
	var all []Client
	for i := range t.shards {
		all = append(all, t.shards[i].list(now)...)
	}
	slices.SortFunc(all, func(a, b Client) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.Client.Compare(b.Client))
	})
	return all[:min(n, len(all))]
}

// shardOf spreads the clients by a keyed multiplication, so that nobody chooses
// whom they displace.
func (t *Top) shardOf(p netip.Prefix) uint64 {
	a := p.Addr().As16()
	high, low := bits.Mul64(binary.BigEndian.Uint64(a[:8])^t.seed|1, binary.BigEndian.Uint64(a[8:])^bits.RotateLeft64(t.seed, 32)|1<<63)
	return (high ^ low) * 0x9E3779B97F4A7C15 >> 59 % shards
}

// turn begins a new generation when its time has come. Who is told the time by
// several goroutines may hear it go back a little.
func (s *shard) turn(now time.Time) {
	begin := now.Truncate(period)
	if !begin.After(s.began) {
		return
	}
	s.last = generation{}
	if begin.Sub(s.began) <= period {
		s.last = s.now
	}
	s.now, s.began = generation{}, begin
}

func (g *generation) add(client netip.Prefix, reason int, now time.Time) {
	at, known := g.clients[client]
	switch {
	case known:
	case len(g.more) < slots:
		if g.clients == nil {
			g.clients = make(map[netip.Prefix]int)
		}
		at = len(g.more)
		g.counts = append(g.counts, 0)
		g.more = append(g.more, detail{client: client})
		g.clients[client] = at
	default:
		at = g.smallest()
		delete(g.clients, g.more[at].client)
		g.more[at] = detail{client: client, err: g.counts[at]}
		g.clients[client] = at
	}
	g.counts[at]++
	g.more[at].reasons[reason]++
	g.more[at].last = now
}

func (g *generation) smallest() (at int) {
	for i, c := range g.counts {
		if c < g.counts[at] {
			at = i
		}
	}
	return at
}

// list adds the two generations up.
func (s *shard) list(now time.Time) []Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn(now)
	sum := make(map[netip.Prefix]*Client)
	for _, g := range []*generation{&s.last, &s.now} {
		for i := range g.more {
			d := &g.more[i]
			c := sum[d.client]
			if c == nil {
				c = &Client{Client: d.client}
				sum[d.client] = c
			}
			c.Count += g.counts[i]
			c.Error += d.err
			c.Last = d.last
			for r, n := range d.reasons {
				c.By[r] += uint64(n)
			}
		}
	}
	all := make([]Client, 0, len(sum))
	for _, c := range sum {
		all = append(all, *c)
	}
	return all
}
