package portico_test

// The load-balancing policies in front of real backends on real sockets. This
// file has what their tests share.

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/caddyserver/caddy/v2"
)

// A pool is the backends of a test, called a, b, c …
type pool []*backend

// A backend answers with its name, unless the test has it do something else.
type backend struct {
	*testOrigin
	name string

	mu     sync.Mutex
	answer http.HandlerFunc // guarded by mu
}

func (b *backend) set(answer http.HandlerFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// ServeHTTP implements http.Handler.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	answer := b.answer
	b.mu.Unlock()
	w.Header().Set("X-Backend", b.name)
	if answer != nil {
		answer(w, r)
		return
	}
	fmt.Fprint(w, b.name)
}

// status is an answer of nothing but a status.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func startPool(t testing.TB, n int) (p pool) {
	for i := range n {
		b := &backend{name: string(rune('a' + i))}
		b.testOrigin = startOrigin(t, b.ServeHTTP)
		p = append(p, b)
	}
	return p
}

// proxy is a reverse_proxy of the pool with more options.
func (p pool) proxy(options string) string {
	var addrs []string
	for _, b := range p {
		addrs = append(addrs, b.addr)
	}
	return fmt.Sprintf("reverse_proxy %s {\n%s\n}", strings.Join(addrs, " "), p.expand(options))
}

// expand replaces $A, $B, … by the backends' addresses.
func (p pool) expand(text string) string {
	for _, b := range p {
		text = strings.ReplaceAll(text, "$"+strings.ToUpper(b.name), b.addr)
	}
	return text
}

// waitFor holds a request at a backend, until it is released or given up.
func waitFor(r *http.Request, released <-chan struct{}) {
	select {
	case <-released:
	case <-r.Context().Done():
	}
}

// who sends a request and returns the name of the backend that answered, or
// with an error its status.
func (s *site) who(path string, fields ...string) string {
	return answeredBy(s.do(s.request(path, fields...)))
}

func answeredBy(r *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	if r.StatusCode >= 400 {
		return fmt.Sprint(r.Header.Get("X-Backend"), r.StatusCode)
	}
	return r.Header.Get("X-Backend")
}

// do asks until there is an answer: Caddy's reload closes connections whatever
// the handlers are.
func (s *site) do(r *http.Request) (response *http.Response, err error) {
	for range 100 {
		if response, err = s.client.Do(r); err == nil {
			break
		}
	}
	return response, err
}

// title makes a text the name of a test, and of its directory.
func title(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(c rune) bool {
		return c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c)
	}), " ")
}

// shares sends n requests, with several clients at a time, and counts who
// answered.
func (s *site) shares(n, clients int, path string) map[string]int {
	s.t.Helper()
	counts := map[string]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := c; i < n; i += clients {
				who := s.who(path)
				mu.Lock()
				counts[who]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return counts
}

// eventually polls for a state that is not the test's own.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if ok() {
			return
		}
	}
	t.Fatalf("waiting for %s", what)
}

// An upstreamView is what the admin API says of an upstream.
type upstreamView struct {
	Address     string            `json:"address"`
	InFlight    int               `json:"in_flight"`
	LatencyMS   float64           `json:"latency_ms"`
	SuccessRate float64           `json:"success_rate"`
	Requests    map[string]uint64 `json:"requests"`
	Weight      int               `json:"weight"`
	Configured  int               `json:"configured_weight"`
	Drain       bool              `json:"drain"`
	Queue       int               `json:"queue"`
	Ejected     *struct {
		Reason string    `json:"reason"`
		Until  time.Time `json:"until"`
	} `json:"ejected"`
}

// admin asks the admin API as Caddy would, without its listener.
func admin(t testing.TB, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	info, err := caddy.GetModule("admin.api.load_balancing")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, route := range info.New().(caddy.AdminRouter).Routes() {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := route.Handler.ServeHTTP(w, r); err != nil {
				apiErr, ok := err.(caddy.APIError)
				if !ok {
					t.Errorf("%s %s: %v is no APIError", method, path, err)
				}
				http.Error(w, err.Error(), apiErr.HTTPStatus)
			}
		})
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

const upstreamsPath = "/load_balancing/upstreams"

// view is what the admin API says of b.
func (b *backend) view(t testing.TB) (v upstreamView) {
	t.Helper()
	w := admin(t, http.MethodGet, upstreamsPath+"/"+b.addr, "")
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != http.StatusOK {
		t.Fatalf("the state of %s: %d %s %v", b.name, w.Code, w.Body, err)
	}
	return v
}

// patch changes b through the admin API.
func (b *backend) patch(t testing.TB, change string) {
	t.Helper()
	if w := admin(t, http.MethodPatch, upstreamsPath+"/"+b.addr, change); w.Code != http.StatusOK {
		t.Fatalf("PATCH %s: %d %s", change, w.Code, w.Body)
	}
}
