package portico_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// limited is a proxy whose upstreams take n requests each.
func (p pool) limited(n int, options string) string {
	return p.proxy(fmt.Sprintf("unhealthy_request_count %d\n%s", n, options))
}

// gate holds requests at a backend, and lets them go one at a time.
type gate struct {
	free      chan struct{}
	now, most atomic.Int64
}

func newGate() *gate { return &gate{free: make(chan struct{})} }

func (g *gate) answer(w http.ResponseWriter, r *http.Request) {
	n := g.now.Add(1)
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
	}
	defer g.now.Add(-1)
	select {
	case <-g.free:
		fmt.Fprint(w, r.URL.Path)
	case <-r.Context().Done():
	}
}

// Requests wait for a place, in the order they came, and an upstream never has
// more than it may.
func TestQueueOrder(t *testing.T) {
	p := startPool(t, 1)
	g := newGate()
	var order []string
	p[0].set(func(w http.ResponseWriter, r *http.Request) {
		order = append(order, r.URL.Path) // one at a time: the race detector looks
		g.answer(w, r)
	})
	s := startSite(t, "", siteConfig{http: p.limited(1, "lb_policy least_time {\nqueue 10 15s\n}")})
	var all []*exchange
	for i := range 6 {
		all = append(all, s.sendTo(fmt.Sprint("/", i)))
		if i == 0 {
			eventually(t, "the first request to arrive", func() bool { return g.now.Load() == 1 })
		}
		eventually(t, "the request to wait", func() bool { return p[0].view(t).Queue == i })
	}
	for range all {
		g.free <- struct{}{}
	}
	for i, e := range all {
		s.wait(e, "the end", func() bool { return e.done })
		if want := fmt.Sprint("/", i); e.status != http.StatusOK || string(e.body) != want {
			t.Errorf("answer %d %s, want 200 %s", e.status, e.body, want)
		}
	}
	if got := fmt.Sprint(order); got != "[/0 /1 /2 /3 /4 /5]" {
		t.Errorf("requests arrived in the order %s", got)
	}
	if g.most.Load() != 1 {
		t.Errorf("there were %d requests at a time", g.most.Load())
	}
}

// Under load the limit is exact, nobody is lost and nobody is refused.
func TestQueueExactLimit(t *testing.T) {
	p := startPool(t, 2)
	gates := []*gate{newGate(), newGate()}
	for i, b := range p {
		close(gates[i].free)
		b.set(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Backend", b.name)
			gates[i].answer(w, r)
		})
	}
	s := startSite(t, "", siteConfig{http: p.limited(2, "lb_policy least_request {\nqueue 100 15s\n}")})
	got := s.shares(600, 20, "/")
	if got["a"]+got["b"] != 600 {
		t.Errorf("answers %v, want 600 good ones", got)
	}
	for i, g := range gates {
		if g.most.Load() > 2 {
			t.Errorf("%s had %d requests at a time, want 2 at most", p[i].name, g.most.Load())
		}
	}
}

// A full queue and a timeout are 503; a client that leaves makes room.
func TestQueueBounds(t *testing.T) {
	p := startPool(t, 1)
	g := newGate()
	p[0].set(g.answer)
	s := startSite(t, "", siteConfig{http: p.limited(1, "lb_policy weighted {\nqueue 2 15s\n}")})
	first := s.sendTo("/first")
	eventually(t, "the first request to arrive", func() bool { return g.now.Load() == 1 })
	waiting := []*exchange{s.sendTo("/w"), s.sendTo("/w")}
	eventually(t, "the queue to fill", func() bool { return p[0].view(t).Queue == 2 })
	if e := s.get("/refused"); e.status != http.StatusServiceUnavailable {
		t.Errorf("with a full queue: %d, want 503", e.status)
	}
	waiting[0].cancel()
	eventually(t, "the client to leave the queue", func() bool { return p[0].view(t).Queue == 1 })
	last := s.sendTo("/last")
	eventually(t, "the queue to fill", func() bool { return p[0].view(t).Queue == 2 })
	close(g.free)
	for _, e := range []*exchange{first, waiting[1], last} {
		s.wait(e, "the end", func() bool { return e.done })
		if e.status != http.StatusOK {
			t.Errorf("answer %d, want 200", e.status)
		}
	}
}

// Requests wait for an upstream that is well rather than go to one that is ejected, or
// that they have failed at, as nobody is refused there.
func TestQueueRatherThanFailing(t *testing.T) {
	p := startPool(t, 2)
	p[0].set(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	s := startSite(t, "", siteConfig{http: p.limited(1, "lb_policy least_request {\nqueue 100 15s\neject\n}\nlb_retries 1")})
	if got := s.shares(200, 10, "/"); got["b"] != 200 {
		t.Errorf("answers %v, want 200 from b", got)
	}
	if n := p[0].requests.Load(); n > 10 {
		t.Errorf("%d requests went to a, which fails, want a few until it is ejected", n)
	}
}

func TestQueueTimeout(t *testing.T) {
	p := startPool(t, 1)
	g := newGate()
	p[0].set(g.answer)
	s := startSite(t, "", siteConfig{http: p.limited(1, "lb_policy weighted {\nqueue 2 50ms\n}")})
	first := s.sendTo("/first")
	eventually(t, "the first request to arrive", func() bool { return g.now.Load() == 1 })
	if e := s.get("/w"); e.status != http.StatusServiceUnavailable {
		t.Errorf("after the timeout: %d, want 503", e.status)
	}
	close(g.free)
	s.wait(first, "the end", func() bool { return first.done })
}

// A slot comes back however a request ends: with an error, without a body, and
// with a client that leaves in the middle.
func TestQueueSlotsComeBack(t *testing.T) {
	p := startPool(t, 1)
	p[0].set(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/stream":
			flush(w)
			<-r.Context().Done()
		}
	})
	s := startSite(t, "", siteConfig{http: p.limited(1, "lb_policy least_time {\nqueue 2 15s\n}")})
	for range 3 {
		for _, path := range []string{"/", "/empty", "/abort"} {
			s.who(path)
		}
		e := s.sendTo("/stream")
		s.wait(e, "the stream to begin", func() bool { return e.header != nil })
		e.cancel()
		if e := s.get("/"); e.status != http.StatusOK {
			t.Fatalf("answer %d, want 200", e.status)
		}
	}
}

// Retries are bounded by the budget: the rest gets the error of the first attempt's kind at once.
func TestRetryBudget(t *testing.T) {
	const n = 300
	attempts := map[string]uint64{}
	for _, option := range []string{"", "retry_budget 10%"} {
		p := pool{{testOrigin: &testOrigin{addr: freeAddr(t)}, name: "a"}, {testOrigin: &testOrigin{addr: freeAddr(t)}, name: "b"}}
		s := startSite(t, "", siteConfig{http: p.proxy("lb_retries 4\nlb_policy weighted {\n" + option + "\n}")})
		if got := s.shares(n, 4, "/"); got["502"] != n {
			t.Errorf("%s: answers %v, want 502 only", option, got)
		}
		if list := admin(t, http.MethodGet, upstreamsPath, "").Body.String(); strings.Contains(list, "budget") {
			t.Errorf("what ends the retries was dialed: %s", list)
		}
		for _, b := range p {
			attempts[option] += b.view(t).Requests["connect_error"]
		}
	}
	// 100 in the first ten seconds are there however few requests there are.
	if most := uint64(n + n/10 + 100 + 20); attempts[""] != 5*n || attempts["retry_budget 10%"] > most || attempts["retry_budget 10%"] <= n {
		t.Errorf("attempts %v, want %d without a budget, and with it more than %d and at most %d", attempts, 5*n, n, most)
	}
}
