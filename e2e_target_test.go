package portico_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-portico/portico/filter/canonical"
)

// What package canonical judges is what a net/http origin gets behind Caddy: of a
// target that passes, the path the origin decodes is the canonical one, up to
// repeated slashes.
func TestCanonicalPathIsTheOrigins(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	s := startSite(t, origin.addr, siteConfig{http: "reverse_proxy $ORIGIN"})
	for _, target := range []string{
		"/", "/a..b/...", "/.well-known/x", "/caf\u00e9", "/caf%C3%A9", "/a%20b+c@d:e~f!$&'()*,=", "/a;v=1/b;w=2", "/@scope%2Fname",
		"/100%25", "/50%25off", "//a///b", "/a\"<>^`{|}b", "/wiki/AC\uff0fDC", "/a?../..\\b", "http://site.test/a", "http://site.test?x", "/a%3Fb%23c",
	} {
		judged, defect := canonical.Judge("GET", target)
		got, ok := strings.CutPrefix(s.speak("GET "+target+" HTTP/1.1\r\nHost: site.test\r\n\r\n"), "200 ")
		for strings.Contains(got, "//") {
			got = strings.ReplaceAll(got, "//", "/")
		}
		if defect != canonical.None || !ok || got != judged.Path {
			t.Errorf("%s: the filter sees %q (%s), the origin %q", target, judged.Path, defect, got)
		}
	}
}
