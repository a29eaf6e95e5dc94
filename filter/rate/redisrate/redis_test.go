//go:build unix

package redisrate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-portico/portico/filter/rate"
	"github.com/caddy-portico/portico/filter/redis"
	"github.com/caddy-portico/portico/internal/redistest"
)

// A machine is one of several that share a limit.
type machine struct {
	*Limiter
	conn   *redis.Conn
	states chan bool
}

func newMachine(t testing.TB, address string, p rate.Policy) machine {
	t.Helper()
	target, err := redis.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	states := make(chan bool, 100)
	conn, err := redis.Open(target, redis.Options{OnState: func(up bool, cause error) {
		t.Logf("up: %t %v", up, cause)
		states <- up
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	conn.Ready(t.Context())
	local, err := rate.New(rate.Config{Policy: p}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return machine{New(conn, "test", local), conn, states}
}

// await waits for the connection to change to a state.
func (m machine) await(t testing.TB, up bool) {
	t.Helper()
	for timeout := time.After(30 * time.Second); ; {
		select {
		case state := <-m.states:
			if state == up {
				return
			}
		case <-timeout:
			t.Fatalf("the connection does not become up=%t", up)
		}
	}
}

// awaitUp waits until no connection is down: machines that count alone would use up all
// attempts at once.
func awaitUp(t testing.TB, machines []machine) {
	t.Helper()
	redistest.Eventually(t, "all connections are up", func() bool {
		return !slices.ContainsFunc(machines, func(m machine) bool { return !m.conn.Up() })
	})
}

// Of three machines that are asked at once, exactly the quota passes.
func TestExactAmongMachines(t *testing.T) {
	server := redistest.Start(t)
	for _, p := range []rate.Policy{
		{Limit: 10, Window: time.Hour},
		{Limit: 10, Window: time.Hour, Burst: 7},
		{Limit: 300, Window: time.Hour}, // more than package rate counts one by one
	} {
		t.Run(fmt.Sprintf("%d+%d", p.Limit, p.Burst), func(t *testing.T) {
			machines := []machine{}
			for range 3 {
				machines = append(machines, newMachine(t, "redis://"+server.Addr, p))
			}
			// On a busy machine the server may miss its time: then a machine counts
			// alone, and the quota says nothing. That must not be so each time.
			for attempt := range 20 {
				awaitUp(t, machines)
				passed, local := race(t, machines, fmt.Sprint("client ", attempt))
				if passed > p.Quota() {
					t.Fatalf("the server let %d pass, want %d", passed, p.Quota())
				}
				if local > 0 {
					continue
				}
				if passed != p.Quota() {
					t.Errorf("%d passed, want %d", passed, p.Quota())
				}
				return
			}
			t.Error("there is no attempt in which the server decided everything")
		})
	}
}

// race has each machine asked by five at once, twice as often as the quota allows,
// and returns how many requests the server let pass and how many it did not decide.
func race(t *testing.T, machines []machine, key string) (passed, local int) {
	var counts [2]atomic.Int64
	var all sync.WaitGroup
	for _, m := range machines {
		for range 5 {
			all.Go(func() {
				for range m.local.Policy().Quota()*2/(3*5) + 1 {
					r, shared := m.Take(t.Context(), key, time.Now())
					if !shared {
						counts[1].Add(1)
					} else if r.Allowed {
						counts[0].Add(1)
					}
				}
			})
		}
	}
	all.Wait()
	return int(counts[0].Load()), int(counts[1].Load())
}

// mustPass takes one of a limit that is not used up.
func mustPass(t *testing.T, m machine) (r rate.Result, shared bool) {
	t.Helper()
	r, shared = m.Take(t.Context(), "client", time.Now())
	if !r.Allowed {
		t.Errorf("refused: %+v", r)
	}
	return r, shared
}

// alone takes one while the server is gone.
func alone(t *testing.T, m machine) {
	t.Helper()
	if r, shared := mustPass(t, m); shared {
		t.Errorf("decided by a server that is gone: %+v", r)
	}
}

// shares takes until the server decides, and returns how often that was. A busy
// machine may make the server miss its time.
func shares(t *testing.T, m machine) (r rate.Result, taken int) {
	t.Helper()
	for taken = 1; taken <= 20; taken++ {
		if r, shared := mustPass(t, m); shared {
			return r, taken
		}
	}
	t.Fatal("the server decides nothing")
	return r, taken
}

// A stopped, a killed and a restarted server: requests are decided locally, and by
// the server again once it is back.
func TestServerGoesAndComesBack(t *testing.T) {
	server := redistest.Start(t)
	m := newMachine(t, "redis://"+server.Addr, rate.Policy{Limit: 1000, Window: time.Hour})
	m.await(t, true)
	shares(t, m)

	server.Pause()
	for m.conn.Up() {
		alone(t, m)
	}
	m.await(t, false)
	errors, local := m.conn.Errors(), m.LocalDecisions()
	for range 10 { // nothing is tried any more
		alone(t, m)
	}
	if m.conn.Errors() != errors || m.LocalDecisions() != local+10 {
		t.Errorf("%d errors and %d local decisions in 10 requests while the connection is down",
			m.conn.Errors()-errors, m.LocalDecisions()-local)
	}
	server.Resume()
	m.await(t, true)
	shares(t, m)

	server.Kill()
	for m.conn.Up() {
		alone(t, m)
	}
	m.await(t, false)
	alone(t, m)
	server.Run()
	m.await(t, true)
	if r, taken := shares(t, m); r.Remaining < 1000-taken {
		t.Errorf("%d remain of 1000 on an empty server, after %d requests", r.Remaining, taken)
	}
}

// What a machine let through counts when it is on its own.
func TestLocalCountGoesOn(t *testing.T) {
	server := redistest.Start(t)
	m := newMachine(t, "redis://"+server.Addr, rate.Policy{Limit: 3, Window: time.Hour})
	mustPass(t, m)
	mustPass(t, m)
	server.Kill()
	for m.conn.Up() {
		m.Take(t.Context(), "other", time.Now())
	}
	alone(t, m)
	if r, _ := m.Take(t.Context(), "client", time.Now()); r.Allowed {
		t.Errorf("a fourth of three passed: %+v", r)
	}
}

func TestPassword(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "p@ss")
	for address, want := range map[string]bool{
		"redis://:p%40ss@" + server.Addr:        true,
		"redis://default:p%40ss@" + server.Addr: true,
		"redis://:wrong@" + server.Addr:         false,
		"redis://" + server.Addr:                false,
	} {
		m := newMachine(t, address, rate.Policy{Limit: 1, Window: time.Minute})
		if up := m.conn.Up(); up != want {
			t.Errorf("%s: up = %t, want %t", address, up, want)
		}
	}
}

// A client that goes away is no failure of the server.
func TestClientLeaves(t *testing.T) {
	server := redistest.Start(t)
	m := newMachine(t, "redis://"+server.Addr, rate.Policy{Limit: 100, Window: time.Hour})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		m.Take(gone, "client", time.Now())
	}
	if !m.conn.Up() || m.conn.Errors() != 0 {
		t.Errorf("up = %t, %d errors after clients that left", m.conn.Up(), m.conn.Errors())
	}
	shares(t, m)
}

// On a cluster a decision's keys lie in one slot, also with a burst, and the
// clients' ones in many.
func TestCluster(t *testing.T) {
	server := redistest.StartCluster(t)
	m := newMachine(t, "redis://"+server.Addr, rate.Policy{Limit: 2, Window: time.Hour, Burst: 1})
	decided := 0
	for client := range 20 {
		passed, local := race(t, []machine{m}, fmt.Sprint("client ", client))
		if local > 0 { // a busy machine: the server missed its time
			continue
		}
		decided++
		if passed != 3 {
			t.Errorf("%d of client %d passed, want 3", passed, client)
		}
	}
	if decided == 0 {
		t.Error("the server decided nothing")
	}
}

const window = 100 * time.Millisecond

// A span is when a request was let through, between two readings of the clock.
type span struct{ before, after time.Time }

// As time goes by: of any window no more than the quota passes, in the long run no
// more than the limit, and who waits as told is let through.
func TestWindowSlides(t *testing.T) {
	server := redistest.Start(t)
	for _, p := range []rate.Policy{
		{Limit: 5, Window: window},
		{Limit: 70, Window: window}, // counted in parts by package rate, exactly by the server
		{Limit: 5, Window: window, Burst: 5},
	} {
		t.Run(fmt.Sprintf("%d+%d", p.Limit, p.Burst), func(t *testing.T) {
			machines := []machine{
				newMachine(t, "redis://"+server.Addr, p),
				newMachine(t, "redis://"+server.Addr, p),
			}
			for attempt := range 20 {
				awaitUp(t, machines)
				passed, shared := tenWindows(t, machines, fmt.Sprint("client ", attempt))
				if !shared { // a busy machine: the server missed its time
					continue
				}
				checkSpans(t, p, passed)
				return
			}
			t.Error("there is no attempt in which the server decided everything")
		})
	}
}

// tenWindows asks for ten windows without a pause but those that it is told.
func tenWindows(t *testing.T, machines []machine, key string) (passed []span, shared bool) {
	t.Helper()
	refused := false
	for start := time.Now(); time.Since(start) < 10*window; {
		before := time.Now()
		r, shared := machines[len(passed)%2].Take(t.Context(), key, before)
		switch {
		case !shared:
			return nil, false
		case r.Allowed:
			passed = append(passed, span{before, time.Now()})
		case refused || r.Reset <= 0:
			t.Fatalf("refused after having waited as told: %+v", r)
		default:
			time.Sleep(r.Reset)
		}
		refused = !r.Allowed
	}
	return passed, true
}

func checkSpans(t *testing.T, p rate.Policy, passed []span) {
	t.Helper()
	if len(passed) <= p.Quota() {
		t.Fatalf("%d passed in ten windows", len(passed))
	}
	for i := range len(passed) - p.Quota() {
		if d := passed[i+p.Quota()].after.Sub(passed[i].before); d < window {
			t.Fatalf("%d passed within %v", p.Quota()+1, d)
		}
	}
	took := passed[len(passed)-1].after.Sub(passed[0].before)
	if most := p.Quota() + int(float64(p.Limit)*took.Seconds()/window.Seconds()) + 1; len(passed) > most {
		t.Errorf("%d passed in %v, want at most %d", len(passed), took, most)
	}
}
