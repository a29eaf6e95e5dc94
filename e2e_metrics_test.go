package portico_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The metrics count every request once, under its result, and go on over a
// reload. They are the process's: the test looks at differences.
func TestMetrics(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", r.URL.Query().Get("cc"))
		fmt.Fprint(w, "hello")
	})
	c := siteConfig{http: "metrics /metrics\n@cached not path /metrics\nresponse_cache @cached {\nname Counted\n}\nreverse_proxy $ORIGIN"}
	s := startSite(t, origin.addr, c)
	before := s.scrape()
	for _, cc := range []string{"max-age=60", "max-age=60", "max-age=60", "no-store"} {
		s.get("/a?cc=" + cc)
	}
	s.load(c)
	s.get("/a?cc=max-age=60")
	after := s.scrape()
	got := map[string]float64{}
	for _, result := range []string{"miss", "hit", "pass", "stale", "bypass", "collapsed", "revalidated"} {
		series := fmt.Sprintf(`caddy_response_cache_requests_total{cache="Counted",result="%s",store="default"}`, result)
		if n := after[series] - before[series]; n != 0 {
			got[result] = n
		}
	}
	if diff := cmp.Diff(map[string]float64{"miss": 1, "hit": 3, "pass": 1}, got); diff != "" {
		t.Errorf("requests by result (-want +got):\n%s", diff)
	}
	if n := after[`caddy_response_cache_objects{store="default",tier="memory"}`]; n != 1 {
		t.Errorf("%v objects, want 1", n)
	}
}

// scrape reads /metrics: the values by series.
func (s *site) scrape() map[string]float64 {
	s.t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(string(s.get("/metrics").body)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseFloat(value, 64)
		if strings.HasPrefix(line, "#") || err != nil {
			continue
		}
		if _, twice := values[series]; twice {
			s.t.Errorf("the series %s is there twice", series)
		}
		values[series] = n
	}
	return values
}
