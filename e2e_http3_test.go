package portico_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
)

// Over HTTP/3 a request is judged and an answer cleaned as over the others: the
// target is the one that was sent, and nothing tells of the origin.
func TestHTTP3(t *testing.T) {
	s := startSite(t, startRawLeakyOrigin(t), siteConfig{https: "request_filter\nhide_origin\nreverse_proxy $ORIGIN"})
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // the test's own certificate
	defer transport.Close()
	for target, want := range map[string]int{
		"/": 200, "/a%2Fb?q=%00": 200, "/error": 500,
		"/.env": 404, "/a/%2e%2e/b": 400, "/%252e%252e": 400, "/a%5cb": 400, "/" + strings.Repeat("a", 9000): 414,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.vars["$HTTPS"]+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "site.test"
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%.20s: %v", target, err)
		}
		var answer strings.Builder
		writeRawHeader(&answer, response.Header)
		_, _ = io.Copy(&answer, response.Body)
		response.Body.Close()
		writeRawHeader(&answer, response.Trailer)
		if response.ProtoMajor != 3 || response.StatusCode != want {
			t.Errorf("%.20s: %s %d, want HTTP/3 and %d", target, response.Proto, response.StatusCode, want)
		}
		// Caddy's own answers are the ones before hide_origin.
		if seen := foundTokens(answer.String(), rawLeakTokens(s.vars["$ORIGIN"])); len(seen) > 0 {
			t.Errorf("%.20s: %v in\n%s", target, seen, answer.String())
		}
	}
}
