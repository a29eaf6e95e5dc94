// Package redisban keeps the ledgers of several machines the same through Redis
// or Valkey.
//
// A machine's bans, and the ones it lifts, are handed to the server in the
// background, and those of the others are asked for every second: a request never
// waits for either. While the server is gone every ledger goes on by itself, what
// happened meanwhile is kept, and handed over when it is back; a server that comes
// back empty is filled again. Of one range, what happened last counts, by the
// machines' clocks: they should agree to within the time that bans take to follow
// each other. The server forgets a ban when it has ended.
package redisban

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddy-portico/portico/filter/ban"
	"github.com/caddy-portico/portico/filter/redis"
)

//go:embed share.lua
var shareSource string

//go:embed changes.lua
var changesSource string

var share, changes = redis.NewScript(shareSource), redis.NewScript(changesSource)

const (
	interval   = time.Second // between questions for changes
	batch      = 200         // bans in one operation
	maxPending = 100_000     // changes kept while the server is gone
)

// A Sharer shares one ledger. It is the ledger's Observer.
type Sharer struct {
	conn   *redis.Conn
	ledger *ban.Ledger
	keys   []string

	mu       sync.Mutex
	pending  map[netip.Prefix]change // to be handed over, the last one of each range
	all      bool                    // the whole ledger is to be handed over
	wake     chan struct{}
	began    string // what the server says of its beginning, and
	since    string // the last change taken over; only run uses both
	cancel   context.CancelFunc
	finished sync.WaitGroup
}

// A change is what happened to a range: a ban, or its lifting.
type change struct {
	from, until time.Time
	ban         string // as JSON; "" lifts
}

// liftedFor is how long the server knows that a range was lifted: longer than any
// machine should be out of reach.
const liftedFor = 24 * time.Hour

// Start begins to share a ledger, of which it becomes the observer, until Stop.
func Start(conn *redis.Conn, ledger *ban.Ledger) *Sharer {
	prefix := conn.Prefix() + "{ban}:"
	s := &Sharer{
		conn: conn, ledger: ledger,
		keys:    []string{prefix + "bans", prefix + "changes", prefix + "last", prefix + "ends", prefix + "began"},
		pending: map[netip.Prefix]change{}, all: true, since: "0",
		wake: make(chan struct{}, 1),
	}
	ledger.Observe(s)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.finished.Go(func() { s.run(ctx) })
	return s
}

// Stop ends the sharing; what is pending is not handed over any more.
func (s *Sharer) Stop() {
	s.ledger.Observe(nil)
	s.cancel()
	s.finished.Wait()
}

// Banned implements ban.Observer.
func (s *Sharer) Banned(b ban.Ban) { s.note(b.Prefix, changeOf(b)) }

// Lifted implements ban.Observer.
func (s *Sharer) Lifted(p netip.Prefix, at time.Time) {
	s.note(p, change{from: at, until: at.Add(liftedFor)})
}

func changeOf(b ban.Ban) change {
	text, _ := json.Marshal(b) // of such values it does not fail
	return change{b.From, b.Until, string(text)}
}

// note keeps a change to hand it over soon. Above the bound, bans are left to the
// whole ledger; that something was lifted is nowhere else, and drops another change.
func (s *Sharer) note(p netip.Prefix, c change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.pending[p]; !known && len(s.pending) >= maxPending {
		s.all = true
		if c.ban != "" {
			return
		}
		for other, o := range s.pending {
			if o.ban != "" {
				delete(s.pending, other)
				break
			}
		}
		if len(s.pending) >= maxPending {
			return
		}
	}
	s.pending[p] = c
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Sharer) run(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if s.conn.Up() {
			s.handOver(ctx)
			s.takeOver(ctx)
		}
		wake := s.wake
		if !s.conn.Up() {
			wake = nil // what is pending waits with the rest
		}
		select {
		case <-wake:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// handOver sends what is pending, and the whole ledger after an outage or loss.
func (s *Sharer) handOver(ctx context.Context) {
	s.mu.Lock()
	if s.all {
		s.all = false
		s.mu.Unlock()
		bans := s.ledger.List(time.Now())
		s.mu.Lock()
		for _, b := range bans {
			if _, newer := s.pending[b.Prefix]; !newer && len(s.pending) < maxPending {
				s.pending[b.Prefix] = changeOf(b)
			}
		}
	}
	s.mu.Unlock()
	for {
		some := s.some()
		if len(some) == 0 || !s.send(ctx, some) {
			return
		}
	}
}

func (s *Sharer) some() map[netip.Prefix]change {
	s.mu.Lock()
	defer s.mu.Unlock()
	some := make(map[netip.Prefix]change, min(batch, len(s.pending)))
	for p, c := range s.pending {
		if some[p] = c; len(some) == batch {
			break
		}
	}
	return some
}

func (s *Sharer) send(ctx context.Context, some map[netip.Prefix]change) bool {
	args := []string{milliseconds(time.Now())}
	for p, c := range some {
		args = append(args, p.String(), milliseconds(c.from), milliseconds(c.until), c.ban)
	}
	if _, err := s.conn.Ints(ctx, share, s.keys, args); err != nil {
		return false // they are still pending
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, c := range some {
		if s.pending[p] == c {
			delete(s.pending, p)
		}
	}
	return true
}

// takeOver asks for what the others have changed, until there is no more.
func (s *Sharer) takeOver(ctx context.Context) {
	for {
		list, err := s.conn.Strings(ctx, changes, s.keys, []string{s.began, s.since, strconv.Itoa(batch)})
		if err != nil || len(list) < 2 {
			return
		}
		if list[0] != s.began { // it has lost what it knew, or we are new here
			s.began = list[0]
			s.mu.Lock()
			s.all = true
			s.mu.Unlock()
		}
		s.since = list[1]
		for i := 2; i+1 < len(list); i += 2 {
			s.merge(list[i], list[i+1])
		}
		if len(list) < 2*batch {
			return
		}
	}
}

// merge takes one change over. What cannot be read was not written by a Sharer.
func (s *Sharer) merge(text, value string) {
	p, err := netip.ParsePrefix(text)
	from, rest, _ := strings.Cut(value, "|")
	_, text, ok := strings.Cut(rest, "|")
	ms, errFrom := strconv.ParseInt(from, 10, 64)
	if err != nil || errFrom != nil || !ok {
		return
	}
	now := time.Now()
	if text == "" {
		s.ledger.MergeLifted(p, time.UnixMilli(ms).Add(time.Millisecond-1), now)
		return
	}
	var b ban.Ban
	if json.Unmarshal([]byte(text), &b) == nil && b.Prefix == p {
		s.ledger.Merge(b, now)
	}
}

func milliseconds(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
