package portico_test

import (
	"fmt"
	"net/http"
	"testing"
)

// An upstream that fails is ejected and gets nothing at all, until a trial after its
// time shows that it is well again.
func TestEject(t *testing.T) {
	p := startPool(t, 3)
	p[1].set(status(http.StatusInternalServerError))
	c := siteConfig{http: p.proxy("lb_policy weighted {\neject {\nfailures 3\nfor 1s\n}\n}")}
	s := startSite(t, "", c)
	got := s.shares(90, 1, "/")
	if got["b500"] != 3 {
		t.Errorf("answers %v, want three from b before it is ejected", got)
	}
	v := p[1].view(t)
	if v.Ejected == nil || v.Ejected.Reason != "consecutive_failures" {
		t.Errorf("b is %+v, want it ejected", v)
	}
	c.http = "header X-Reload 1\n" + c.http
	s.load(c)
	if v := p[1].view(t); v.Ejected == nil {
		t.Error("a reload has brought b back")
	}
	p[1].set(nil)
	eventually(t, "b to come back", func() bool { return s.who("/") == "b" })
	if got := s.shares(90, 1, "/"); got["b"] != 30 {
		t.Errorf("answers %v, want 30 from b again", got)
	}
}

// What a tier's policy ejects is of that tier alone: not all of it, and after as many
// failures as it says.
func TestEjectInTiers(t *testing.T) {
	for _, bad := range []int{1, 2} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			p := startPool(t, 4)
			for _, b := range p[:bad] {
				b.set(status(http.StatusInternalServerError))
			}
			const inner = "weighted {\neject {\nfailures 5\n}\n}\n"
			s := startSite(t, "", siteConfig{http: p.proxy("lb_policy tiers {\ntier {\n$A $B " + inner + "}\ntier {\n$C $D " + inner + "}\n}")})
			got := s.shares(100, 1, "/")
			if bad == 1 && got["a500"] != 5 {
				t.Errorf("answers %v, want five from a before it is ejected", got)
			}
			if p[0].view(t).Ejected != nil && p[1].view(t).Ejected != nil {
				t.Error("all of the first tier is ejected")
			}
		})
	}
}

// Never all of a pool is ejected: when everything fails, the fault is elsewhere.
func TestEjectNeverAll(t *testing.T) {
	p := startPool(t, 2)
	for _, b := range p {
		b.set(status(http.StatusBadGateway))
	}
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy least_request {\neject\n}")})
	got := s.shares(100, 2, "/")
	if got["a502"]+got["b502"] != 100 {
		t.Errorf("answers %v, want all from the backends, none refused by Caddy", got)
	}
	if p[0].view(t).Ejected != nil && p[1].view(t).Ejected != nil {
		t.Error("both are ejected")
	}
}

// Responses that break off are failures, though their head looked well.
func TestEjectBrokenBodies(t *testing.T) {
	p := startPool(t, 2)
	p[0].set(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "half")
		flush(w)
		panic(http.ErrAbortHandler)
	})
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy weighted {\neject\n}")})
	for range 30 {
		e := s.sendTo("/")
		s.wait(e, "the end", func() bool { return e.done })
	}
	if v := p[0].view(t); v.Ejected == nil || v.SuccessRate > 0.9 {
		t.Errorf("a is %+v, want it ejected", v)
	}
}

// The first tier gets all, as long as enough of it is there; the second what
// is left.
func TestTiers(t *testing.T) {
	p := startPool(t, 4)
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy tiers {\ntier {\n$A $B weighted\n}\ntier {\n$C $D\nleast_request\n}\n}")})
	if got := s.shares(100, 2, "/"); got["a"] != 50 || got["b"] != 50 {
		t.Errorf("answers %v, want all from a and b", got)
	}
	p[0].patch(t, `{"drain": true}`) // on purpose: the tier is smaller, not weaker
	if got := s.shares(100, 2, "/"); got["b"] != 100 {
		t.Errorf("a is drained: answers %v, want all from b", got)
	}
	p[1].patch(t, `{"drain": true}`)
	if got := s.shares(100, 2, "/"); got["c"]+got["d"] != 100 {
		t.Errorf("the first tier is gone: answers %v, want all from c and d", got)
	}
}

// What a weakened tier cannot take overflows, in proportion.
func TestTiersOverflow(t *testing.T) {
	p := startPool(t, 3)
	config := "to %s\nlb_policy tiers {\ntier {\n$A %[1]s weighted\n}\ntier {\n$B $C\n}\n%s\n}\nfail_duration 1m\nlb_retries 1"
	for _, tt := range []struct {
		overflow    string
		least, most int // of 1000 at a: half of the tier is gone
	}{
		{"", 640, 760},              // 0.5 times 1.4
		{"overflow 100%", 430, 570}, // exactly its part
		{"overflow 50%", 998, 1000}, // half is enough
	} {
		t.Run(title(tt.overflow), func(t *testing.T) {
			s := startSite(t, "", siteConfig{http: p.proxy(fmt.Sprintf(config, freeAddr(t), tt.overflow))})
			s.shares(10, 1, "/") // finds out that one is gone
			if got := s.shares(1000, 4, "/"); got["a"] < tt.least || got["a"] > tt.most || got["a"]+got["b"]+got["c"] != 1000 {
				t.Errorf("answers %v, want %d to %d from a", got, tt.least, tt.most)
			}
		})
	}
}

// Tiers of Caddy's own zone come first.
func TestTiersZone(t *testing.T) {
	p := startPool(t, 2)
	t.Setenv("TEST_ZONE", "west")
	s := startSite(t, "", siteConfig{http: p.proxy("lb_policy tiers {\nzone {env.TEST_ZONE}\ntier {\nzone east\n$A\n}\ntier {\nzone west\n$B\n}\n}")})
	if got := s.shares(20, 2, "/"); got["b"] != 20 {
		t.Errorf("answers %v, want all from b, in the west", got)
	}
}

// Without a panic threshold nothing is sent to upstreams that are known to be
// down; with it, rather all are tried.
func TestTiersPanic(t *testing.T) {
	for _, option := range []string{"panic off", "panic 50%"} {
		t.Run(title(option), func(t *testing.T) {
			p := startPool(t, 2)
			for _, b := range p {
				b.set(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/health" {
						w.WriteHeader(http.StatusInternalServerError)
					}
				})
			}
			s := startSite(t, "", siteConfig{http: p.proxy("lb_policy tiers {\ntier {\n$A $B\n}\n" + option + "\n}\nhealth_uri /health\nhealth_interval 10ms")})
			if option == "panic off" {
				eventually(t, "both to be down", func() bool { return s.who("/") == "503" })
				return
			}
			eventually(t, "both to be down", func() bool { return p[0].requests.Load() > 3 && p[1].requests.Load() > 3 })
			if got := s.shares(50, 2, "/"); got["a"]+got["b"] != 50 {
				t.Errorf("answers %v, want 50 good ones", got)
			}
		})
	}
}
