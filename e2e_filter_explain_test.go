package portico_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// explainedFilter is what these tests look at in GET /request_filter/test.
type explainedFilter struct {
	Method, URL, Client string
	Handlers            []struct {
		Place, Mode, Client, Address, Action, Answer string
		Status, Score                                int
		Tags                                         []string
		Findings                                     []struct {
			Step, Action, Reason, Rule, Text string
			Status                           int
			Strike                           bool
		}
	}
	Answers, Notes []string
}

// foresee asks what would become of a request.
func (s *site) foresee(pairs ...string) (e explainedFilter) {
	s.t.Helper()
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		query.Add(pairs[i], s.expand(pairs[i+1]))
	}
	answer := s.expect(200, "GET", "/request_filter/test?"+query.Encode(), "")
	if err := json.Unmarshal([]byte(answer), &e); err != nil {
		s.t.Fatalf("%s: %v", answer, err)
	}
	return e
}

// said is the outcome of the handlers that a request comes to, in one line each.
func (e explainedFilter) said() (all []string) {
	for _, h := range e.Handlers {
		line := h.Action
		if h.Status != 0 {
			line += fmt.Sprint(" ", h.Status)
		}
		for _, f := range h.Findings {
			line += ", " + strings.Join(strings.Fields(f.Action+" "+f.Reason+" "+f.Rule), " ")
		}
		all = append(all, line)
	}
	return all
}

const foreseenSite = `
@second path /second /twice
route {
request_filter {
	allow 198.51.100.7
	deny 198.51.100.0/24
	rate few {
		limit 2/10m
		match path /rate
	}
	rule agent {
		match header X-Odd *
		action score 3
	}
	rule odd {
		match query odd=1
		action score 2
	}
	rule seen {
		match path /tag
		action tag
	}
	ban {
		after 1 in 1m
		for 1h
	}
}
request_filter @second {
	mode detect
}
respond ok
}`

// What is foretold is what then happens, and asking changes nothing.
func TestFilterForesees(t *testing.T) {
	s := filterSite(t, siteConfig{http: foreseenSite})
	at := "http://$HTTP"
	tests := []struct {
		name string
		ask  []string
		want []string
	}{
		{"a page", []string{"url", at + "/"}, []string{"pass"}},
		{"denied", []string{"url", at + "/", "client", "198.51.100.8"}, []string{"block 403, block address range"}},
		{"allowed within it", []string{"url", at + "/", "client", "198.51.100.7"}, []string{"pass"}},
		{"a probe", []string{"url", at + "/.env"}, []string{"block 404, block probe secret"}},
		{"two ways to read it", []string{"url", at + "/a/..%2fb"}, []string{"block 400, block path traversal"}},
		{"a scanner", []string{"url", at + "/", "header", "User-Agent: sqlmap/1.0"}, []string{"block 403, block bot scanners"}},
		{"one score", []string{"url", at + "/", "header", "X-Odd: 1"}, []string{"pass"}},
		{"two scores", []string{"url", at + "/?odd=1", "header", "X-Odd: 1"}, []string{"block 403, block score agent,odd"}},
		{"a tag", []string{"url", at + "/tag"}, []string{"pass"}},
		{"a rate with room", []string{"url", at + "/rate"}, []string{"pass, count rate few"}},
		{"several things", []string{"url", at + "/.env", "client", "198.51.100.8"}, []string{"block 403, block address range, block probe secret"}},
		{"two filters", []string{"url", at + "/second"}, []string{"pass", "pass"}},
		{"the first blocks", []string{"url", at + "/twice?odd=1", "header", "X-Odd: 1"}, []string{"block 403, block score agent,odd"}},
	}
	before := s.expect(200, "GET", "/request_filter/top", "")
	for range 4 { // more often than the rate and the ban would let it
		for _, tt := range tests {
			if diff := cmp.Diff(tt.want, s.foresee(tt.ask...).said()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
	}
	if after := s.expect(200, "GET", "/request_filter/top", ""); after != before {
		t.Errorf("asking was counted:\n%s\n%s", before, after)
	}
	if bans := s.expect(200, "GET", "/request_filter/bans", ""); bans != "[]\n" {
		t.Errorf("asking banned somebody: %s", bans)
	}

	// The counters are asked, and so are the bans.
	for _, want := range []int{200, 200} {
		if got := s.status("/rate"); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	mine := []string{"url", at + "/rate", "client", "127.0.0.1"}
	if diff := cmp.Diff([]string{"block 429, block rate few"}, s.foresee(mine...).said()); diff != "" {
		t.Errorf("a rate without room (-want +got):\n%s", diff)
	}
	if got := s.status("/rate"); got != http.StatusTooManyRequests {
		t.Errorf("%d, want 429", got)
	}
	e := s.foresee("url", at+"/", "client", "127.0.0.1")
	if diff := cmp.Diff([]string{"block 403, block banned rate"}, e.said()); diff != "" {
		t.Errorf("banned (-want +got):\n%s", diff)
	}
	if len(e.Answers) != 1 || !strings.HasPrefix(e.Answers[0], "request_filter at /apps/http/servers/srv0/routes/0/handle/") {
		t.Errorf("answers: %q", e.Answers)
	}
}

func TestFilterForeseeRefuses(t *testing.T) {
	s := filterSite(t, siteConfig{})
	for _, query := range []string{
		"", "url=/path", "url=ftp://a/", "url=http://a/&client=me", "url=http://a/&method=a+b", "url=http://a/&header=nonsense",
		"url=http://a/&remote_ip=192.0.2.1",
	} {
		s.expect(400, "GET", "/request_filter/test?"+query, "")
	}
	s.expect(405, "DELETE", "/request_filter/test?url=http://a/", "")
}
