package filter

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-portico/portico/filter/canonical"
	"github.com/caddy-portico/portico/filter/framing"
	"github.com/caddy-portico/portico/filter/limits"
	"github.com/caddy-portico/portico/filter/probes"
)

// Whatever bytes make a request: what passes is within the limits, unambiguous
// and no probe, judged once more as the origin would get it. What does not pass
// has an answer that says so.
func FuzzPassed(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /a;b/%2e%2e/%252e?x=%00 HTTP/1.1\r\nHost: a\r\nUser-Agent: sqlmap\r\n\r\n",
		"GET http://a//.git/config HTTP/1.1\r\nHost: a\r\nConnection: upgrade, cookie\r\nUpgrade: h2c\r\n\r\n",
		"OPTIONS * HTTP/1.0\r\n\r\n",
		"POST /%E2%80%A5/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Type: application/json\r\n\r\n[[[",
	} {
		f.Add(seed)
	}
	h := newHandler(f, "")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		r.RemoteAddr = "192.0.2.1:1"
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), testServer)
		passed := false
		err = h.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			passed = true
			check(t, r)
			return nil
		}))
		action := replaced(r, "{http.request_filter.action}")
		if passed == (err != nil) || passed != (action == "pass") {
			t.Errorf("passed %t, action %s, %v", passed, action, err)
		}
	})
}

func check(t *testing.T, r *http.Request) {
	sent, defect := canonical.Judge(r.Method, r.RequestURI)
	if defect != canonical.None {
		t.Errorf("%s %q passes: %s", r.Method, r.RequestURI, defect)
	}
	forwarded := r.URL.RequestURI() // what reverse_proxy puts into its request line
	got, defect := canonical.Judge(r.Method, forwarded)
	if defect != canonical.None || got.Path != sent.Path {
		t.Errorf("%q is judged as %q and forwarded as %q, which is %q (%s)", r.RequestURI, sent.Path, forwarded, got.Path, defect)
	}
	if e, found := probes.Find(got.Bare); found {
		t.Errorf("%q passes: %s", forwarded, e.Path)
	}
	if d := framing.Check(r); d != framing.None {
		t.Errorf("%v passes: %s", r.Header, d)
	}
	if e := limits.Default.Head(r); e != limits.None && e != limits.Body {
		t.Errorf("passes: %s", e)
	}
}
