package cachehandler

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-portico/portico/cachehandler/store"
	"github.com/caddy-portico/portico/cachehandler/store/memory"
)

// newHandler returns a handler on a store of its own, as Provision leaves it.
func newHandler(tb testing.TB, options ...func(*Handler)) *Handler {
	tb.Helper()
	h := &Handler{log: zap.NewNop()}
	for _, option := range options {
		option(h)
	}
	h.setDefaults()
	h.policy = h.newPolicy()
	h.provisionTags()
	if err := h.Validate(); err != nil {
		tb.Fatal(err)
	}
	if h.cache == nil {
		h.cache = newCache(storeID{tb.Name(), "memory"}, memory.New(16<<20))
	}
	return h
}

// get is a request as Caddy's server hands it to handlers.
func get(target string, fields ...string) *http.Request {
	return prepare(httptest.NewRequest(http.MethodGet, target, nil), fields...)
}

func prepare(r *http.Request, fields ...string) *http.Request {
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), new(caddyhttp.Server))
}

// answer is a next handler that always answers the same.
func answer(body string, fields ...string) caddyhttp.Handler {
	return caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			w.Header().Add(name, value)
		}
		_, err := io.WriteString(w, body)
		return err
	})
}

// serve lets h answer r, and returns the answer.
func serve(tb testing.TB, h *Handler, r *http.Request, next caddyhttp.Handler) *httptest.ResponseRecorder {
	tb.Helper()
	w := httptest.NewRecorder()
	if err := h.ServeHTTP(w, r, next); err != nil {
		tb.Fatalf("ServeHTTP(%s): %v", r.URL, err)
	}
	return w
}

// forbidden fails the test if the origin is asked.
func forbidden(tb testing.TB) caddyhttp.Handler {
	return caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		tb.Error("the origin was asked")
		return nil
	})
}

func TestSecondRequestIsAHit(t *testing.T) {
	h := newHandler(t)
	first := serve(t, h, get("http://a/x"), answer("hello", "Cache-Control: max-age=60"))
	if got, want := first.Header().Get("Cache-Status"), "Portico; fwd=uri-miss; fwd-status=200; ttl=60; stored"; got != want {
		t.Errorf("first Cache-Status = %q, want %q", got, want)
	}
	second := serve(t, h, get("http://a/x"), forbidden(t))
	if got := second.Body.String(); got != "hello" {
		t.Errorf("body = %q, want hello", got)
	}
	if got := second.Header().Get("Content-Length"); got != "5" {
		t.Errorf("Content-Length = %q, want 5", got)
	}
	if got := second.Header().Get("Cache-Status"); !strings.HasPrefix(got, "Portico; hit; ttl=") {
		t.Errorf("second Cache-Status = %q, want a hit", got)
	}
}

// discard is a ResponseWriter that allocates nothing but its header.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// allocations is what one request costs, over a handler that does nothing.
func allocations(h *Handler, next caddyhttp.Handler, target string, fields ...string) float64 {
	r := get(target, fields...)
	base := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	pristine := *base
	measure := func(serve func(http.ResponseWriter) error) float64 {
		return testing.AllocsPerRun(200, func() {
			*base = pristine
			_ = serve(&discard{header: make(http.Header)})
		})
	}
	empty := measure(func(w http.ResponseWriter) error { w.Header()["Server"] = nil; return next.ServeHTTP(w, r) })
	return measure(func(w http.ResponseWriter) error { w.Header()["Server"] = nil; return h.ServeHTTP(w, r, next) }) - empty
}

func TestAllocations(t *testing.T) {
	nothing := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusOK)
		return nil
	})
	tests := []struct {
		name   string
		budget float64
		fields []string
	}{
		{"hit", 6, nil},
		{"hit as browsers ask", 6, []string{"Accept-Encoding: gzip, br", "Cookie: a=b", "User-Agent: Mozilla/5.0"}},
		{"304", 4, []string{`If-None-Match: "v1"`}},
		{"pass", 2, []string{"Connection: upgrade", "Upgrade: websocket"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHandler(t)
			serve(t, h, get("http://example.com/page"), answer(strings.Repeat("x", 1024),
				"Cache-Control: max-age=600", "Content-Length: 1024", "Content-Type: text/html", `Etag: "v1"`, "Last-Modified: Mon, 02 Jan 2023 15:04:05 GMT"))
			if got := allocations(h, nothing, "http://example.com/page", tt.fields...); got > tt.budget {
				t.Errorf("allocations = %v, want at most %v", got, tt.budget)
			}
		})
	}
}

// brokenTier fails every operation it is told to.
type brokenTier struct {
	store.Tier
	broken map[string]bool
}

var errBroken = errors.New("disk on fire")

func (b *brokenTier) Get(ctx context.Context, key []byte) ([]*store.Object, error) {
	if b.broken["get"] {
		return nil, errBroken
	}
	return b.Tier.Get(ctx, key)
}

func (b *brokenTier) Put(ctx context.Context, o *store.Object, n int) error {
	if b.broken["put"] {
		return errBroken
	}
	return b.Tier.Put(ctx, o, n)
}

func (b *brokenTier) Settle(ctx context.Context, o *store.Object) error {
	if b.broken["settle"] {
		return errBroken
	}
	return b.Tier.Settle(ctx, o)
}

func (b *brokenTier) Replace(ctx context.Context, old, o *store.Object) (bool, error) {
	if b.broken["replace"] {
		return false, errBroken
	}
	return b.Tier.Replace(ctx, old, o)
}

func (b *brokenTier) Remove(ctx context.Context, o *store.Object) error {
	if b.broken["remove"] {
		return errBroken
	}
	return b.Tier.Remove(ctx, o)
}

func (b *brokenTier) RemoveKey(ctx context.Context, key string) (int, error) {
	if b.broken["remove"] {
		return 0, errBroken
	}
	return b.Tier.RemoveKey(ctx, key)
}

// Whatever a store fails at, clients get the origin's answer.
func TestStoreFailuresArePasses(t *testing.T) {
	for _, operation := range []string{"get", "put", "settle", "replace", "remove"} {
		t.Run(operation, func(t *testing.T) {
			h := newHandler(t)
			h.cache.tier = &brokenTier{h.cache.tier, map[string]bool{operation: true}}
			origin := answer("hello", "Cache-Control: max-age=0, stale-while-revalidate=0", `Etag: "v"`)
			for range 3 {
				if got := serve(t, h, get("http://a/x"), origin).Body.String(); got != "hello" {
					t.Errorf("body = %q, want hello", got)
				}
			}
			serve(t, h, prepare(httptest.NewRequest(http.MethodPost, "http://a/x", nil)), answer("done"))
		})
	}
}
