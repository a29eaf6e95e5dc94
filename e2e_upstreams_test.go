package portico_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/gorilla/websocket"
)

// A policy leaves every kind of transport as it is, and learns from it.
func TestBalanceTransports(t *testing.T) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
	tests := []struct {
		name, transport, proto string
		start                  func(*httptest.Server)
	}{
		{"plain", "", "HTTP/1.1", (*httptest.Server).Start},
		{"TLS", "transport http {\ntls_insecure_skip_verify\n}", "HTTP/2.0", func(s *httptest.Server) {
			s.EnableHTTP2 = true
			s.StartTLS()
		}},
		{"h2c", "transport http {\nversions h2c\n}", "HTTP/2.0", func(s *httptest.Server) {
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			s.Start()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p pool
			for range 2 {
				server := httptest.NewUnstartedServer(hello)
				tt.start(server)
				t.Cleanup(server.Close)
				p = append(p, &backend{testOrigin: &testOrigin{addr: server.Listener.Addr().String()}})
			}
			s := startSite(t, "", siteConfig{http: p.proxy("lb_policy least_time\n" + tt.transport)})
			for range 20 {
				if e := s.get("/"); string(e.body) != tt.proto {
					t.Fatalf("answer %d %s, want %s", e.status, e.body, tt.proto)
				}
			}
			if n := p[0].view(t).Requests["2xx"] + p[1].view(t).Requests["2xx"]; n != 20 {
				t.Errorf("counted %d requests, want 20", n)
			}
		})
	}
}

// HTTP/3 as well: the upstream is another site of the same Caddy.
func TestBalanceHTTP3(t *testing.T) {
	s := startSite(t, "", siteConfig{
		http:  "reverse_proxy $HTTPS {\nlb_policy least_time\ntransport http {\nversions 3\ntls_insecure_skip_verify\ntls_server_name site.test\n}\n}",
		https: "respond {http.request.proto}",
	})
	for range 5 {
		if e := s.get("/"); string(e.body) != "HTTP/3.0" {
			t.Fatalf("answer %d %s, want HTTP/3.0", e.status, e.body)
		}
	}
	b := &backend{testOrigin: &testOrigin{addr: s.vars["$HTTPS"]}}
	if n := b.view(t).Requests["2xx"]; n != 5 {
		t.Errorf("counted %d requests, want 5", n)
	}
}

// A WebSocket goes through, counts as one request in flight, and holds its slot
// until it is closed.
func TestBalanceWebSocket(t *testing.T) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	p := startPool(t, 1)
	p[0].set(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, message) != nil {
				return
			}
		}
	})
	s := startSite(t, "", siteConfig{http: p.limited(1, "lb_policy least_time {\nqueue 10 15s\neject\n}")})
	for range 3 { // each needs the slot of the one before
		conn, response, err := websocket.DefaultDialer.Dial("ws://"+s.vars["$HTTP"]+"/ws", nil)
		if err != nil {
			t.Fatalf("the handshake: %v (%v)", err, response)
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if err := conn.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.ReadMessage(); err != nil || string(got) != "hello" {
			t.Fatalf("echo %q, %v", got, err)
		}
		if v := p[0].view(t); v.InFlight != 1 {
			t.Errorf("in flight: %d, want 1", v.InFlight)
		}
		conn.Close()
	}
	if v := p[0].view(t); v.Requests["1xx"] != 3 {
		t.Errorf("counted %v, want three 1xx", v.Requests)
	}
}

// testSource is a dynamic source whose upstreams the test sets.
type testSource struct{}

var testSourceAddrs struct {
	sync.Mutex
	addrs []string
}

func init() { caddy.RegisterModule(testSource{}) }

func (testSource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.upstreams.test", New: func() caddy.Module { return new(testSource) }}
}

func (testSource) UnmarshalCaddyfile(*caddyfile.Dispenser) error { return nil }

func (testSource) GetUpstreams(*http.Request) (ups []*reverseproxy.Upstream, _ error) {
	testSourceAddrs.Lock()
	defer testSourceAddrs.Unlock()
	for _, a := range testSourceAddrs.addrs {
		ups = append(ups, &reverseproxy.Upstream{Dial: a})
	}
	return ups, nil
}

func discover(p ...*backend) {
	testSourceAddrs.Lock()
	defer testSourceAddrs.Unlock()
	testSourceAddrs.addrs = nil
	for _, b := range p {
		testSourceAddrs.addrs = append(testSourceAddrs.addrs, b.addr)
	}
}

// Upstreams that come and go while Caddy runs are learnt like configured ones.
func TestBalanceDynamicUpstreams(t *testing.T) {
	for _, policy := range []string{"least_time", "least_request", "weighted", "hash {path}", "sticky", "tiers {\ntier {\n$A\n}\ntier {\n$B\n}\n}"} {
		t.Run(title(policy), func(t *testing.T) {
			p := startPool(t, 3)
			discover(p[0], p[1])
			head, block, ok := strings.Cut(p.expand(policy), "{\n")
			if !ok {
				block = "}"
			}
			config := "reverse_proxy {\ndynamic test\nlb_policy " + head + " {\neject\nweight " + p[0].addr + " 2\n" + block + "\n}"
			s := startSite(t, "", siteConfig{http: config})
			if got := s.shares(30, 2, "/"); got["a"]+got["b"] != 30 {
				t.Errorf("answers %v, want 30 from a and b", got)
			}
			if n := p[0].view(t).Requests["2xx"] + p[1].view(t).Requests["2xx"]; n != 30 {
				t.Errorf("counted %d requests, want 30", n)
			}
			discover(p[2])
			if got := s.shares(30, 2, "/"); got["c"] != 30 {
				t.Errorf("answers %v, want 30 from c", got)
			}
			discover()
			if got := s.who("/"); got != "503" {
				t.Errorf("without upstreams: %s, want 503", got)
			}
		})
	}
}

// Upstreams of a dynamic source that are there from the beginning do not start
// slowly, after a reload neither; those that join later do.
func TestBalanceDynamicSlowStart(t *testing.T) {
	p := startPool(t, 4)
	discover(p[:3]...)
	c := siteConfig{http: "reverse_proxy {\ndynamic test\nlb_policy weighted {\nslow_start 1h\n}\n}"}
	s := startSite(t, "", c)
	for range 2 {
		if got := s.shares(60, 3, "/"); got["a"] != 20 || got["b"] != 20 || got["c"] != 20 {
			t.Errorf("answers %v, want 20 from each", got)
		}
		c.http = "header X-Reload 1\n" + c.http
		s.load(c)
	}
	s.shares(3, 1, "/")
	discover(p...)
	if got := s.shares(310, 3, "/"); got["d"] < 8 || got["d"] > 12 {
		t.Errorf("answers %v, want 10 from d, which has joined", got)
	}
}

// Reloads, changing upstreams, failing ones, clients that leave, and everything
// at the same time: every request is answered or was left by its client.
func TestBalanceChurn(t *testing.T) {
	p := startPool(t, 4)
	for i, b := range p {
		b.set(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case i == 1 && r.URL.Path == "/3":
				w.WriteHeader(http.StatusServiceUnavailable)
			case r.URL.Path == "/5":
				fmt.Fprint(w, strings.Repeat("x", 100_000))
			}
		})
	}
	discover(p...)
	options := []string{
		"lb_policy least_time {\neject\nslow_start 1s\nqueue 1000 10s\n}",
		"lb_policy sticky {\nfallback tiers {\ntier {\n$A $B hash {path} {\nload_bound 1.5\n}\n}\ntier {\n$C $D\n}\n}\neject\n}",
		"lb_policy weighted {\nretry_budget 20%\nslow_start 1s\n}\nlb_retries 2",
		"lb_policy least_request 2 {\nqueue 1000 10s\neject\n}\nlb_try_duration 1s\nlb_try_interval 1ms",
	}
	config := func(i int) siteConfig {
		option := "unhealthy_request_count 3\n" + options[i%len(options)]
		return siteConfig{http: fmt.Sprintf("header X-Reload %d\nhandle /dynamic* {\nreverse_proxy {\ndynamic test\n%s\n}\n}\nhandle {\n%s\n}",
			i, p.expand(option), p.proxy(option))}
	}
	s := startSite(t, "", config(0))
	done := make(chan struct{})
	var all sync.WaitGroup
	for c := range 6 {
		all.Go(func() { s.churn(done, rand.New(rand.NewPCG(1, uint64(c)))) })
	}
	dice := rand.New(rand.NewPCG(2, 2))
	for i := range scale(12, 6) {
		s.shares(60, 3, fmt.Sprint("/", i))
		discover(slices.DeleteFunc(slices.Clone(p), func(*backend) bool { return dice.IntN(3) == 0 })...)
		p[dice.IntN(len(p))].patch(t, fmt.Sprintf(`{"drain": %t, "weight": %d}`, dice.IntN(4) == 0, 1+dice.IntN(3)))
		s.load(config(i + 1))
	}
	close(done)
	all.Wait()
	for _, b := range p {
		if !strings.Contains(admin(t, http.MethodGet, upstreamsPath, "").Body.String(), b.addr) {
			continue
		}
		eventually(t, "every request to be over", func() bool { v := b.view(t); return v.InFlight == 0 && v.Queue == 0 })
	}
}

func (s *site) churn(done chan struct{}, dice *rand.Rand) {
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
		}
		path := fmt.Sprint([]string{"/", "/dynamic/"}[dice.IntN(2)], dice.IntN(10))
		r, err := s.do(s.request(path, "Cookie", "lb=forged"))
		if err != nil {
			s.t.Errorf("%s: %v", path, err)
			continue
		}
		if r.StatusCode != http.StatusOK && r.StatusCode != http.StatusServiceUnavailable {
			s.t.Errorf("%s: status %d", path, r.StatusCode)
		}
		if dice.IntN(4) > 0 {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		r.Body.Close()
	}
}

// The admin API answers what it should, and changes nothing by a mistake.
func TestBalanceAdmin(t *testing.T) {
	p := startPool(t, 2)
	startSite(t, "", siteConfig{http: p.proxy("lb_policy least_time {\nweight $A 7\n}")})
	a := upstreamsPath + "/" + p[0].addr
	tests := []struct {
		method, path, body string
		status             int
	}{
		{http.MethodGet, upstreamsPath, "", 200},
		{http.MethodPost, upstreamsPath, "{}", 405},
		{http.MethodDelete, a, "", 405},
		{http.MethodGet, a, "", 200},
		{http.MethodGet, upstreamsPath + "/" + freeAddr(t), "", 404},
		{http.MethodPatch, upstreamsPath + "/" + freeAddr(t), `{"weight": 1}`, 404},
		{http.MethodPatch, a, "", 400},
		{http.MethodPatch, a, "{}", 400},
		{http.MethodPatch, a, "[]", 400},
		{http.MethodPatch, a, `{"wieght": 1}`, 400},
		{http.MethodPatch, a, `{"weight": -1}`, 400},
		{http.MethodPatch, a, `{"weight": 1001}`, 400},
		{http.MethodPatch, a, `{"weight": 1.5}`, 400},
		{http.MethodPatch, a, `{"weight": "1"}`, 400},
		{http.MethodPatch, a, `{"drain": "yes"}`, 400},
		{http.MethodPatch, a, `{"weight": 1} {"weight": 2}`, 400},
		{http.MethodPatch, a, `{"drain": true, "weight": 1001}`, 400},
		{http.MethodPatch, a, `{"weight": "` + strings.Repeat("x", 10_000) + `"}`, 400},
	}
	for _, tt := range tests {
		w := admin(t, tt.method, tt.path, tt.body)
		if w.Code != tt.status {
			t.Errorf("%s %s %.40s: %d %s, want %d", tt.method, tt.path, tt.body, w.Code, w.Body, tt.status)
		}
		if tt.status == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", tt.method, tt.path)
		}
	}
	if v := p[0].view(t); v.Weight != 7 || v.Drain {
		t.Errorf("after nothing but mistakes a is %+v", v)
	}
	p[0].patch(t, `{"weight": 3, "drain": true}`)
	if v := p[0].view(t); v.Weight != 3 || !v.Drain {
		t.Errorf("a is %+v", v)
	}
	if w := admin(t, http.MethodGet, upstreamsPath+"/http:%2F%2F"+p[0].addr, ""); w.Code != 200 || !strings.Contains(w.Body.String(), p[0].addr) {
		t.Errorf("with the scheme that the configuration may have: %d %s", w.Code, w.Body)
	}
	var all []upstreamView
	if err := json.Unmarshal(admin(t, http.MethodGet, upstreamsPath, "").Body.Bytes(), &all); err != nil {
		t.Error(err)
	}
	for _, b := range p {
		if !slices.ContainsFunc(all, func(v upstreamView) bool { return v.Address == b.addr }) {
			t.Errorf("the list lacks %s", b.name)
		}
	}
}

// Metrics tell upstreams apart, and what became of requests.
func TestBalanceMetrics(t *testing.T) {
	p := startPool(t, 2)
	p[1].set(status(http.StatusBadGateway))
	s := startSite(t, "", siteConfig{http: "handle /metrics {\nmetrics\n}\nhandle {\n" + p.proxy("lb_policy weighted {\neject {\nfailures 5\n}\n}") + "\n}"})
	s.shares(40, 2, "/")
	got := s.scrape()
	series := func(name string, b *backend, labels string) float64 {
		return got[fmt.Sprintf("caddy_load_balancing_%s{%supstream=%q}", name, labels, b.addr)]
	}
	a2xx, b5xx := series("requests_total", p[0], `class="2xx",`), series("requests_total", p[1], `class="5xx",`)
	if a2xx+b5xx != 40 || b5xx < 5 || b5xx > 7 {
		t.Errorf("%v answers 2xx, %v answers 5xx, want 40 together", a2xx, b5xx)
	}
	if n := series("latency_seconds_count", p[0], ""); n != a2xx {
		t.Errorf("%v latencies, want %v", n, a2xx)
	}
	if series("ejected", p[0], "") != 0 || series("ejected", p[1], "") != 1 {
		t.Error("b alone should be ejected")
	}
	p[0].patch(t, `{"drain": true, "weight": 4}`)
	got = s.scrape()
	if series("draining", p[0], "") != 1 || series("weight", p[0], "") != 4 || series("in_flight", p[0], "") != 0 {
		t.Errorf("metrics of a are %v", got)
	}
}
