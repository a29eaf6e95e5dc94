package cachehandler

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func post(target string) *http.Request {
	return prepare(httptest.NewRequest(http.MethodPost, target, strings.NewReader("x")))
}

// stored reports what a GET gets without asking the origin.
func stored(t *testing.T, h *Handler, target string) (body string, ok bool) {
	t.Helper()
	w := httptest.NewRecorder()
	err := h.ServeHTTP(w, get(target, "Cache-Control: only-if-cached"), nil)
	return w.Body.String(), err == nil
}

func posts(body string) caddyhttp.Handler {
	return answer(body, "Cache-Control: max-age=60", "Content-Location: /p")
}

// TestPostWithReadFrom: handlers that copy from a reader are copied from, too.
func TestPostWithReadFrom(t *testing.T) {
	h := newHandler(t)
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Location", "/p")
		_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("all of it"))
		return err
	})
	w := httptest.NewRecorder()
	if err := h.ServeHTTP(w, post("http://a/p"), next); err != nil || w.Body.String() != "all of it" {
		t.Errorf("the client got %q, %v", w.Body, err)
	}
	if body, ok := stored(t, h, "http://a/p"); !ok || body != "all of it" {
		t.Errorf("stored is %q (%v)", body, ok)
	}
}

// TestPostNotWhole: what broke off on the way to the client or from the origin is
// not stored (RFC 9111 §3.3), nor what panicked.
func TestPostNotWhole(t *testing.T) {
	failing := errors.New("failed")
	for name, next := range map[string]caddyhttp.HandlerFunc{
		"error": func(w http.ResponseWriter, r *http.Request) error {
			_ = posts("part").ServeHTTP(w, r)
			return failing
		},
		"panic": func(w http.ResponseWriter, r *http.Request) error {
			_ = posts("part").ServeHTTP(w, r)
			panic(http.ErrAbortHandler)
		},
		"short": func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Content-Length", "5")
			return posts("part").ServeHTTP(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(t)
			func() {
				defer func() { _ = recover() }()
				_ = h.ServeHTTP(httptest.NewRecorder(), post("http://a/p"), next)
			}()
			if body, ok := stored(t, h, "http://a/p"); ok {
				t.Errorf("%q is stored", body)
			}
			if n := h.cache.posted.Load(); n != 0 {
				t.Errorf("%d bytes are still counted", n)
			}
		})
	}
	t.Run("client", func(t *testing.T) {
		h := newHandler(t)
		if err := h.ServeHTTP(gone{httptest.NewRecorder()}, post("http://a/p"), posts("part")); err == nil {
			t.Error("the handler does not learn that the client is gone")
		}
		if body, ok := stored(t, h, "http://a/p"); ok {
			t.Errorf("%q is stored", body)
		}
	})
}

// gone is the writer of a client that is gone.
type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, errors.New("client is gone") }

// TestPostsBounded: clients that take their answers slowly make the cache hold no
// more copies than it may; then answers are not stored, but all arrive.
func TestPostsBounded(t *testing.T) {
	h := newHandler(t)
	h.cache.posted.Store(maxPosted - 10) // held by others
	w := httptest.NewRecorder()
	if err := h.ServeHTTP(w, post("http://a/p"), posts(strings.Repeat("a", 100))); err != nil || w.Body.Len() != 100 {
		t.Errorf("the client got %d bytes, %v", w.Body.Len(), err)
	}
	if _, ok := stored(t, h, "http://a/p"); ok {
		t.Error("the answer is stored")
	}
	if n := h.cache.posted.Load(); n != maxPosted-10 {
		t.Errorf("%d bytes are counted afterwards, want %d", n, maxPosted-10)
	}
}

// TestPostFlightsEnd: no flight is left over, whatever became of the answer.
func TestPostFlightsEnd(t *testing.T) {
	h := newHandler(t)
	for range 3 {
		_ = h.ServeHTTP(httptest.NewRecorder(), post("http://a/p"), posts("all"))
		_ = h.ServeHTTP(httptest.NewRecorder(), post("http://a/p"), answer("no"))
	}
	for i := range h.cache.flights.shards {
		if n := len(h.cache.flights.shards[i].byKey); n != 0 {
			t.Errorf("%d flights are left", n)
		}
	}
}
