package lbsim

import (
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-portico/portico/lbpolicy/estimate"
	"github.com/caddy-portico/portico/lbpolicy/pick"
)

// caddyPool is a pool of Caddy's own upstreams with so many requests in flight.
// Only the handler can count requests, so the test reaches into the counter.
func caddyPool(t *testing.T, rif []int) reverseproxy.UpstreamPool {
	t.Helper()
	pool := make(reverseproxy.UpstreamPool, len(rif))
	for i, n := range rif {
		host := new(reverseproxy.Host)
		field := reflect.ValueOf(host).Elem().FieldByName("numRequests")
		if field.Type() != reflect.TypeFor[atomic.Int64]() {
			t.Fatalf("reverseproxy.Host counts requests in a %v now: adapt this test", field.Type())
		}
		(*atomic.Int64)(unsafe.Pointer(field.UnsafeAddr())).Store(int64(n))
		if host.NumRequests() != n {
			t.Fatal("the counter is another one")
		}
		pool[i] = &reverseproxy.Upstream{Host: host, Dial: string(rune('a' + i))}
	}
	return pool
}

// The models choose as Caddy's policies do: in the same order where that is
// determined, otherwise as often.
func TestModelsOfCaddy(t *testing.T) {
	const picks = 20_000
	tests := []struct {
		model Contestant
		real  func() reverseproxy.Selector
		exact bool
	}{
		{Random, func() reverseproxy.Selector { return reverseproxy.RandomSelection{} }, false},
		{RoundRobin, func() reverseproxy.Selector { return new(reverseproxy.RoundRobinSelection) }, true},
		{LeastConn, func() reverseproxy.Selector { return reverseproxy.LeastConnSelection{} }, false},
		{RandomChoose, func() reverseproxy.Selector { return reverseproxy.RandomChoiceSelection{Choose: 2} }, false},
		{First, func() reverseproxy.Selector { return reverseproxy.FirstSelection{} }, true},
	}
	loads := [][]int{{0, 0}, {0, 0, 0}, {0, 0, 0, 0, 0}, {3, 1, 1, 2}, {1, 0, 2}, {5, 5, 5}, {0, 3, 0, 1, 0, 2, 0, 0}}
	r := httptest.NewRequest("GET", "/", nil)
	for _, tt := range tests {
		for _, rif := range loads {
			policy := tt.model.New(len(rif), rand.New(rand.NewPCG(1, 2)))
			selector, pool := tt.real(), caddyPool(t, rif)
			model, real := make([]int, len(rif)), make([]int, len(rif))
			for k := range picks {
				a := policy.Pick(0, rif, 0)
				b := slices.Index(pool, selector.Select(pool, r, nil))
				model[a]++
				real[b]++
				if tt.exact && a != b {
					t.Fatalf("%s %v: choice %d is %d, Caddy's is %d", tt.model.Name, rif, k, a, b)
				}
			}
			for i := range rif {
				// Caddy's chance has no seed: six standard deviations.
				p := float64(model[i]+real[i]) / (2 * picks)
				if math.Abs(float64(model[i]-real[i])) > 6*math.Sqrt(2*picks*p*(1-p))+1e-9 {
					t.Errorf("%s %v: chose %v, Caddy %v", tt.model.Name, rif, model, real)
					break
				}
			}
		}
	}
}

// Portico's least_request is Caddy's least_conn, where weights are equal.
func TestLeastRequestIsLeastConn(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		rif := make([]int, 1+rng.IntN(20))
		for i := range rif {
			rif[i] = rng.IntN(4)
		}
		c := candidates(make([]pick.Candidate, len(rif)), rif)
		got, want := pick.LeastRequest(c, 0, rng), fewest(rif, rng)
		if rif[got] != rif[want] {
			t.Fatalf("%v: chose %d, least_conn %d", rif, got, want)
		}
	}
}

// With passive health checks, a backend that has failed gets nothing for ten
// seconds, and when all have failed there is nobody to ask.
func TestPassiveHealthChecks(t *testing.T) {
	p := PassiveLeastConn.New(2, rand.New(rand.NewPCG(1, 1)))
	p.End(0, 0, estimate.Outcome{Kind: estimate.Failure})
	for now := range 10 * time.Second / time.Second {
		if i := p.Pick(now*time.Second, []int{0, 5}, 0); i != 1 {
			t.Fatalf("after %d s: chose %d", now, i)
		}
	}
	p.End(9*time.Second, 1, estimate.Outcome{Kind: estimate.Failure})
	if i := p.Pick(9*time.Second, []int{0, 0}, 0); i != -1 {
		t.Errorf("all have failed: chose %d", i)
	}
	if i := p.Pick(10*time.Second, []int{0, 0}, 0); i != 0 {
		t.Errorf("the first is forgiven: chose %d", i)
	}
}

// Where nobody is available, requests fail at once, or are tried again.
func TestNobodyAvailable(t *testing.T) {
	nobody := Contestant{"nobody", func(int, *rand.Rand) Policy {
		return blind(func(time.Duration, []int, uint64) int { return -1 })
	}}
	s := Scenario{Backends: alike(2, 0, web), Rate: 100, Duration: time.Second}
	r := Run(&s, nobody, 1)
	if r.Errors(0, s.Duration) != 1 || len(r.attempts) != 0 {
		t.Errorf("%.0f %% errors, %d attempts", 100*r.Errors(0, s.Duration), len(r.attempts))
	}
	s.Retry = 2 * time.Second
	for _, o := range Run(&s, nobody, 1).requests {
		if o.ok || o.took < s.Retry || o.took > s.Retry+tryInterval {
			t.Fatalf("%+v, want an error after about 2 s", o)
		}
	}
}
