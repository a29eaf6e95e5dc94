package portico_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// after answers when the time of a slow backend is over.
func after(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			fmt.Fprint(w, "late")
		case <-r.Context().Done():
		}
	}
}

// A backend that answers badly at once looks fast, but gets next to nothing:
// just enough to see whether it still does.
func TestLeastTimeFastFailer(t *testing.T) {
	for _, code := range []int{http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusTooManyRequests} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			p := startPool(t, 3)
			p[1].set(status(code))
			s := startSite(t, "", siteConfig{http: p.proxy("lb_policy least_time")})
			const n = 1000
			got := s.shares(n, 8, "/")
			failed := got[fmt.Sprint("b", code)]
			if failed == 0 || failed > n*2/100 || got["a"]+got["c"] != n-failed {
				t.Errorf("answers %v, want at most 2%% from b, and some", got)
			}
		})
	}
}

// What an application answers to a bad request says nothing against it.
func TestLeastTimeClientErrors(t *testing.T) {
	p := startPool(t, 2)
	p[0].set(status(http.StatusNotFound))
	p[1].set(status(http.StatusNotImplemented))
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy least_time")})
	got := s.shares(400, 4, "/")
	if got["a404"] == 0 || got["b501"] == 0 {
		t.Errorf("answers %v, want some from both", got)
	}
	for _, b := range p {
		if v := b.view(t); v.SuccessRate != 1 {
			t.Errorf("%s has a success rate of %v, want 1", b.name, v.SuccessRate)
		}
	}
}

func TestLeastTimeSlower(t *testing.T) {
	p := startPool(t, 3)
	p[0].set(after(5 * time.Millisecond))
	p[1].set(after(50 * time.Millisecond))
	p[2].set(after(5 * time.Millisecond))
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy least_time")})
	got := s.shares(600, 6, "/")
	if got["b"] > 60 || got["b"] == 0 || got["a"] == 0 || got["c"] == 0 {
		t.Errorf("answers %v, want few from b, which takes ten times as long", got)
	}
	if a, b := p[0].view(t), p[1].view(t); a.LatencyMS <= 0 || b.LatencyMS < 2*a.LatencyMS {
		t.Errorf("expected latencies %v and %v ms", a.LatencyMS, b.LatencyMS)
	}
}

// dead is an address that refuses connections, or one where they are accepted
// and nothing is ever read.
func dead(t *testing.T, how string) string {
	t.Helper()
	if how == "refused" {
		return freeAddr(t)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// A backend that is gone costs next to nobody an error without retries, and
// nobody with them.
func TestLeastTimeDeadHost(t *testing.T) {
	const n = 600
	for _, how := range []string{"refused", "black hole"} {
		for _, retries := range []string{"", "lb_retries 2"} {
			t.Run(how+" "+retries, func(t *testing.T) {
				p := startPool(t, 2)
				options := "to " + dead(t, how) + "\nlb_policy least_time\n" + retries +
					"\ntransport http {\nresponse_header_timeout 100ms\n}"
				s := startSite(t, "", siteConfig{http: p.proxy(options)})
				got := s.shares(n, 4, "/")
				good := got["a"] + got["b"]
				if good < n*98/100 || retries != "" && good != n {
					t.Errorf("answers %v, want %d good ones", got, n)
				}
			})
		}
	}
}

// A backend that is well again gets requests again.
func TestLeastTimeRecovery(t *testing.T) {
	p := startPool(t, 2)
	p[1].set(status(http.StatusServiceUnavailable))
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy least_time")})
	if got := s.shares(200, 4, "/"); got["b503"] > 4 {
		t.Fatalf("answers %v, want at most 4 from b", got)
	}
	p[1].set(nil)
	eventually(t, "b to get its share again", func() bool {
		got := s.shares(40, 4, "/")
		return got["b"] > 10
	})
}

// Latencies and counts outlive a reload; those of an upstream that is
// configured no more do not.
func TestStateOverReload(t *testing.T) {
	p := startPool(t, 2)
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy least_time")})
	s.shares(100, 2, "/")
	before := p[0].view(t)
	s.load(siteConfig{http: "header X-Reload 1\n" + p.proxy("lb_policy least_time")})
	if v := p[0].view(t); v.Requests["2xx"] != before.Requests["2xx"] || v.LatencyMS != before.LatencyMS {
		t.Errorf("after the reload %+v, before %+v", v, before)
	}
	s.load(siteConfig{http: p[:1].proxy("lb_policy weighted")})
	if w := admin(t, http.MethodGet, upstreamsPath+"/"+p[1].addr, ""); w.Code != http.StatusNotFound {
		t.Errorf("an upstream that is gone: %d %s", w.Code, w.Body)
	}
	if v := p[0].view(t); v.Requests["2xx"] != before.Requests["2xx"] {
		t.Errorf("with another policy %+v, before %+v", v, before)
	}
	s.load(siteConfig{http: "respond ok"})
	if w := admin(t, http.MethodGet, upstreamsPath, ""); strings.Contains(w.Body.String(), p[0].addr) {
		t.Errorf("without any policy there is still %s", w.Body)
	}
}

// A request that is under way over a reload ends well and is counted.
func TestInFlightOverReload(t *testing.T) {
	p := startPool(t, 1)
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	t.Cleanup(release) // or the backend would not end
	p[0].set(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			waitFor(r, held)
		}
		fmt.Fprint(w, "done")
	})
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy least_time")})
	e := s.sendTo("/slow")
	eventually(t, "the request to arrive", func() bool { return p[0].requests.Load() == 1 })
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		if err := s.tryLoad(siteConfig{http: "header X-Reload 1\n" + p.proxy("lb_policy sticky")}); err != nil {
			t.Error(err)
		}
	}()
	eventually(t, "the new configuration", func() bool {
		r, err := s.do(s.request("/"))
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.Header.Get("X-Reload") == "1"
	})
	if v := p[0].view(t); v.InFlight != 1 {
		t.Errorf("in flight: %d, want the one of the old configuration", v.InFlight)
	}
	release()
	s.wait(e, "the end", func() bool { return e.done })
	<-loaded
	if string(e.body) != "done" {
		t.Errorf("answer %d %s %v", e.status, e.body, e.err)
	}
	eventually(t, "the request to be counted", func() bool {
		v := p[0].view(t)
		return v.InFlight == 0 && v.Requests["2xx"] == uint64(p[0].requests.Load())
	})
}

// Every attempt is counted once, however many policies and proxies are in front
// of an upstream; active health checks are no attempts.
func TestEveryAttemptOnce(t *testing.T) {
	p := startPool(t, 2)
	checked := make(chan struct{}, 1000)
	for _, b := range p {
		b.set(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/health" {
				select {
				case checked <- struct{}{}:
				default:
				}
			}
			fmt.Fprint(w, b.name)
		})
	}
	nested := p.proxy("lb_policy sticky {\nfallback tiers {\ntier {\n$A least_time\n}\ntier {\n$B least_request\n}\neject\n}\neject\n}\nhealth_uri /health\nhealth_interval 10ms")
	s := startSite(t, "", siteConfig{http: "handle /1 {\n" + nested + "\n}\nhandle {\n" + p.proxy("lb_policy cookie {\nfallback least_time\n}") + "\n}"})
	for range 5 { // checks happen beside the requests
		<-checked
	}
	s.shares(50, 2, "/1")
	s.shares(50, 2, "/2")
	for range 5 {
		<-checked
	}
	if a, b := p[0].view(t), p[1].view(t); a.Requests["2xx"]+b.Requests["2xx"] != 100 || len(a.Requests)+len(b.Requests) > 2 {
		t.Errorf("counted %v and %v, want 100 together", a.Requests, b.Requests)
	}
}
