package portico_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// panicker is a handler with a mistake in it: it panics before the head or in
// the body, as the path says.
type panicker struct{}

func init() {
	caddy.RegisterModule(panicker{})
	httpcaddyfile.RegisterHandlerDirective("test_panicker",
		func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) { return panicker{}, nil })
	httpcaddyfile.RegisterDirectiveOrder("test_panicker", httpcaddyfile.Before, "reverse_proxy")
}

func (panicker) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_panicker", New: func() caddy.Module { return new(panicker) }}
}

func (panicker) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	switch r.URL.Path {
	case "/head":
		panic("mistake before the head")
	case "/body":
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = w.Write(pattern(0, 1000))
		panic("mistake in the body")
	}
	return next.ServeHTTP(w, r)
}

// A panic in a handler behind the cache costs the requests that caused it, as
// it does without a cache: not the process, not the next request, and no answer
// looks complete.
func TestPanicBehindTheCache(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = w.Write(pattern(0, 1000))
	})
	s := startSite(t, origin.addr, siteConfig{http: "response_cache\ntest_panicker\nreverse_proxy $ORIGIN"})
	s.panics = true
	for _, path := range []string{"/head", "/body", "/head", "/body"} {
		var crowd []*exchange
		for range clients {
			crowd = append(crowd, s.sendTo(path))
		}
		for _, e := range crowd {
			s.wait(e, "the end", func() bool { return e.done })
			if e.err == nil && e.status < 500 {
				t.Errorf("%s: a complete answer %d of %d bytes", path, e.status, len(e.body))
			}
		}
	}
	if e := s.get("/fine"); !bytes.Equal(e.body, pattern(0, 1000)) {
		t.Errorf("another path: %d, %d bytes", e.status, len(e.body))
	}
	s.hitWith("/fine", pattern(0, 1000))
}
