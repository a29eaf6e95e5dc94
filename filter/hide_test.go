package filter_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter"
)

func provision(t testing.TB, h *filter.HideOrigin) *filter.HideOrigin {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHideErrors(t *testing.T) {
	tests := []struct {
		name   string
		errors []string
		status int
		kind   string
		hidden bool
	}{
		{"9110-15.6.1 by default", nil, 500, "text/html", true},
		{"9110-15.5.5 not by default", nil, 404, "text/html", false},
		{"9110-15.5.5 by class", []string{"4xx"}, 404, "text/html", true},
		{"5xx is not in 4xx", []string{"4xx"}, 500, "text/html", false},
		{"one status", []string{"503"}, 500, "text/html", false},
		{"that status", []string{"503"}, 503, "text/html", true},
		{"off", []string{"off"}, 500, "text/html", false},
		{"gRPC", nil, 500, "application/grpc+proto", false},
		{"200", []string{"4xx", "5xx"}, 200, "text/html", false},
	}
	for _, tt := range tests {
		h := provision(t, &filter.HideOrigin{Errors: tt.errors})
		rec := httptest.NewRecorder()
		err := h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil), caddyhttp.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) error {
				w.Header().Set("Content-Type", tt.kind)
				w.Header().Set("Content-Length", "5")
				w.Header().Set("Content-Encoding", "gzip")
				w.Header().Set("Retry-After", "7")
				w.Header().Set("X-Exception", "token")
				w.Header().Set("Etag", `"token"`)
				w.WriteHeader(tt.status)
				_, err := io.Copy(w, strings.NewReader("token"))
				return err
			}))
		if err != nil {
			t.Fatal(err)
		}
		if rec.Code != tt.status || rec.Header().Get("Retry-After") != "7" {
			t.Errorf("%s: %d, Retry-After %q", tt.name, rec.Code, rec.Header().Get("Retry-After"))
		}
		all := rec.Body.String() + rec.Header().Get("Etag") + rec.Header().Get("Content-Encoding")
		if hidden := all == ""; hidden != tt.hidden {
			t.Errorf("%s: hidden = %t, want %t: %q", tt.name, hidden, tt.hidden, all)
		}
	}
}

// A panic of a handler behind stays one, unless it only ends a page that nobody gets.
func TestHidePanics(t *testing.T) {
	h := provision(t, new(filter.HideOrigin))
	for _, tt := range []struct {
		name   string
		status int
		value  any
		passes bool
	}{
		{"an error page breaks off", 500, http.ErrAbortHandler, false},
		{"a response breaks off", 200, http.ErrAbortHandler, true},
		{"a fault", 500, "fault", true},
	} {
		func() {
			defer func() {
				if p := recover(); (p != nil) != tt.passes {
					t.Errorf("%s: panic %v, want one: %t", tt.name, p, tt.passes)
				}
			}()
			_ = h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), caddyhttp.HandlerFunc(
				func(w http.ResponseWriter, _ *http.Request) error {
					w.WriteHeader(tt.status)
					panic(tt.value)
				}))
		}()
	}
}

// A plain answer costs the writer, and nothing for each field.
func TestHideAllocations(t *testing.T) {
	h := provision(t, new(filter.HideOrigin))
	w := &plainWriter{header: http.Header{}}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	kind, server, length := []string{"text/html"}, []string{"nginx"}, []string{"2"}
	body := []byte("ok")
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		header := w.Header()
		header["Content-Type"], header["Server"], header["Content-Length"] = kind, server, length
		w.WriteHeader(http.StatusOK)
		_, err := w.Write(body)
		return err
	})
	got := testing.AllocsPerRun(200, func() {
		if err := h.ServeHTTP(w, r, next); err != nil {
			t.Fatal(err)
		}
	})
	if w.header.Get("Server") != "" {
		t.Error("Server is still there")
	}
	if got > 1 {
		t.Errorf("%v allocations, want 1", got)
	}
}

type plainWriter struct{ header http.Header }

func (w *plainWriter) Header() http.Header         { return w.header }
func (w *plainWriter) WriteHeader(int)             {}
func (w *plainWriter) Write(p []byte) (int, error) { return len(p), nil }

func TestHideRefuses(t *testing.T) {
	for name, h := range map[string]*filter.HideOrigin{
		"headers": {Headers: []string{"["}},
		"rewrite": {Rewrite: []filter.HideRewrite{{Upstream: "/x"}}},
		"public":  {Rewrite: []filter.HideRewrite{{Upstream: "x", Public: "ftp://x"}}},
		"cookies": {Cookies: &filter.HideCookies{SameSite: "x"}},
		"errors":  {Errors: []string{"2xx"}},
		"etag":    {ETag: "x"},
		"body":    {Body: []filter.HideBody{{Pattern: "x*"}}},
	} {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
		if err := h.Provision(ctx); err == nil {
			t.Errorf("%s: no error", name)
		}
		cancel()
	}
}
