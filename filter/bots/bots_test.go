package bots_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-portico/portico/filter/address"
	"github.com/caddy-portico/portico/filter/bots"
	"github.com/caddy-portico/portico/filter/list"
)

// The catalog that is shipped: each entry has its source, each domain could be
// one, each URL of ranges is https, and no token is there twice.
func TestCatalog(t *testing.T) {
	tokens := map[string]string{}
	for _, c := range bots.Default().All() {
		if u, err := url.Parse(c.Source); err != nil || u.Scheme != "https" || u.Host == "" {
			t.Errorf("%s: source %q", c.Name, c.Source)
		}
		if other, twice := tokens[strings.ToLower(c.Token)]; twice {
			t.Errorf("%s and %s have the same token", c.Name, other)
		}
		tokens[strings.ToLower(c.Token)] = c.Name
		for _, domain := range c.Verify.Domains {
			if domain != strings.ToLower(domain) || strings.HasPrefix(domain, ".") || !strings.Contains(domain, ".") {
				t.Errorf("%s: domain %q", c.Name, domain)
			}
			// Anybody's machine in a public cloud has a name there.
			if slices.Contains([]string{"googleusercontent.com", "amazonaws.com", "azure.com"}, domain) {
				t.Errorf("%s: %s verifies whoever rents a machine", c.Name, domain)
			}
		}
		if subset := bots.AITraining | bots.AISearch | bots.AIUsers; c.Groups.Has(subset) && !c.Groups.Has(bots.AICrawlers) {
			t.Errorf("%s is in a group of AI crawlers, but not in ai_crawlers", c.Name)
		}
		if m := bots.Default().Match("x/1 (" + c.Token + ")"); !m.Groups().Has(c.Groups) {
			t.Errorf("%s is not found by its token", c.Name)
		}
	}
	for _, u := range bots.Default().RangeURLs() {
		if !strings.HasPrefix(u, "https://") {
			t.Errorf("ranges from %s", u)
		}
	}
}

func TestGroups(t *testing.T) {
	for _, name := range bots.GroupNames() {
		g, err := bots.ParseGroup(name)
		if err != nil || g.String() != name {
			t.Errorf("%s: %v, %v", name, g, err)
		}
		if !slices.ContainsFunc(bots.Default().All(), func(c bots.Crawler) bool { return c.Groups.Has(g) }) {
			t.Errorf("nobody is in %s", name)
		}
	}
	if _, err := bots.ParseGroup("ai"); err == nil || !strings.Contains(err.Error(), "ai_crawlers, ai_training") {
		t.Errorf("error %v", err)
	}
}

func names(m bots.Match) []string {
	var all []string
	for c := range m.Each {
		all = append(all, c.Name)
	}
	return all
}

func TestMatch(t *testing.T) {
	const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	tests := []struct {
		name, userAgent string
		want            []string
		groups          bots.Groups
	}{
		{"none", "", nil, 0},
		{"a browser", chrome, nil, 0},
		{"Safari on a telephone", "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1", nil, 0},
		{"GPTBot", "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)", []string{"GPTBot"}, bots.AICrawlers | bots.AITraining},
		{"ClaudeBot", "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", []string{"ClaudeBot"}, bots.AICrawlers | bots.AITraining},
		{"in any case", "mozilla/5.0 (compatible; GOOGLEBOT/2.1)", []string{"Googlebot"}, bots.SearchEngines},
		{"Googlebot for images", "Googlebot-Image/1.0", []string{"Googlebot"}, bots.SearchEngines},
		{"bingbot", "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/142.0.0.0 Safari/537.36", []string{"bingbot"}, bots.SearchEngines},
		{"no word of its own", "NotGPTBot/1.0", nil, 0},
		{"the beginning of a word", "GPTBots/1.0", nil, 0},
		{"libcurl is not curl", "libcurl-agent/1.0", nil, 0},
		{"curl", "curl/8.17.0", []string{"curl"}, bots.Libraries},
		{"a token with blanks", "Mozilla/5.00 (Nmap Scripting Engine; https://nmap.org/book/nse.html)", []string{"Nmap Scripting Engine"}, bots.Scanners},
		{"a token that ends in no letter", "Dart/3.9 (dart:io)", []string{"Dart"}, bots.Libraries},
		{"two", "facebookexternalhit/1.1 Facebot Twitterbot/1.0", []string{"facebookexternalhit", "Facebot", "Twitterbot"}, bots.SocialPreviews},
		{"one in another", "Mozilla/5.0 (compatible; AdsBot-Google-Mobile; +http://www.google.com/mobile/adsbot.html)", []string{"AdsBot-Google", "AdsBot-Google-Mobile"}, bots.OtherCrawlers},
		{"two groups", "GPTBot python-requests/2.32", []string{"GPTBot", "python-requests"}, bots.AICrawlers | bots.AITraining | bots.Libraries},
		{"bytes that are no text", "\xff\x00GPTBot\xff", []string{"GPTBot"}, bots.AICrawlers | bots.AITraining},
	}
	for _, tt := range tests {
		m := bots.Default().Match(tt.userAgent)
		got := names(m)
		slices.Sort(got)
		want := slices.Clone(tt.want)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" || m.Groups() != tt.groups {
			t.Errorf("%s: groups %s, want %s; crawlers (-want +got):\n%s", tt.name, m.Groups(), tt.groups, diff)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, data := range map[string]string{
		"no JSON":   "x",
		"no group":  `[{"name": "X"}]`,
		"no token":  `[{"groups": ["scanners"]}]`,
		"bad group": `[{"name": "X", "groups": ["bad"]}]`,
		"too many":  "[" + strings.Repeat(`{"name":"X","groups":["scanners"]},`, 256) + `{"name":"X","groups":["scanners"]}]`,
	} {
		if _, err := bots.Read([]byte(data)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// slowMatch is the twin of the automaton: every token, at every place.
func slowMatch(tokens []string, text string) (found []int) {
	word := func(i int) bool {
		if i < 0 || i >= len(text) {
			return false
		}
		c := text[i]
		return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	lower := func(s string) string {
		b := []byte(s)
		for i, c := range b {
			if 'A' <= c && c <= 'Z' {
				b[i] = c + 32
			}
		}
		return string(b)
	}
	for n, token := range tokens {
		for i := 0; i+len(token) <= len(text); i++ {
			j := i + len(token)
			if lower(text[i:j]) == lower(token) && !(word(i-1) && word(i)) && !(word(j-1) && word(j)) {
				found = append(found, n)
				break
			}
		}
	}
	return found
}

func FuzzMatch(f *testing.F) {
	f.Add("he\nshe\nhis\nhers", "ushers she his he")
	f.Add("AdsBot\nAdsBot-X\nX", "adsbot-x/1")
	f.Add("a\naa\naaa\n/", "aaa a/aa")
	f.Add("@\n`\n[\n{", "@`[{")
	f.Fuzz(func(t *testing.T, list, text string) {
		tokens := slices.DeleteFunc(strings.Split(list, "\n"), func(s string) bool { return s == "" })
		if len(tokens) > 100 || len(list) > 5000 {
			return
		}
		var crawlers []bots.Crawler
		for _, token := range tokens {
			crawlers = append(crawlers, bots.Crawler{Name: token, Token: token, Groups: bots.Scanners})
		}
		catalog, err := bots.New(crawlers)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, n := range slowMatch(tokens, text) {
			want = append(want, tokens[n])
		}
		if diff := cmp.Diff(want, names(catalog.Match(text))); diff != "" {
			t.Fatalf("%q in %q (-twin +automaton):\n%s", tokens, text, diff)
		}
	})
}

func TestReadRanges(t *testing.T) {
	set, _, err := bots.ReadRanges(strings.NewReader(`{"creationTime": "2026-11-26T00:00:00", "prefixes": [
		{"ipv6Prefix": "2001:db8:10::/64"}, {"ipv4Prefix": "192.0.2.0/27"}]}`))
	if err != nil || set.Len() != 2 || !set.Contains(netip.MustParseAddr("192.0.2.31")) || !set.Contains(netip.MustParseAddr("2001:db8:10::9")) {
		t.Errorf("%v, %v", set, err)
	}
	for name, text := range map[string]string{
		"a web page":   "<html>",
		"cut off":      `{"prefixes": [{"ipv4Prefix": "192.0.2.0/27"},`,
		"empty":        `{"prefixes": []}`,
		"other JSON":   `{"ranges": ["192.0.2.0/27"]}`,
		"wrong":        `{"prefixes": [{"ipv4Prefix": "192.0.2.0/27"}, {"ipv4Prefix": "192.0.2.0/33"}]}`,
		"unknown kind": `{"prefixes": [{"ipv4Prefix": "192.0.2.0/27"}, {"ipv8Prefix": "1/2"}]}`,
	} {
		if _, _, err := bots.ReadRanges(strings.NewReader(text)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// Published ranges come through a list: fetched, kept, followed.
func TestRangesThroughList(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"prefixes": [{"ipv4Prefix": "192.0.2.0/27"}]}`)
	}))
	defer server.Close()
	l, err := list.Open(list.Config{Name: "crawlers/gptbot", URL: server.URL, Parse: bots.ReadRanges})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Destruct()
	v := bots.NewVerifier(bots.Options{Ranges: func(string) *address.Set { return l.Set() }})
	defer v.Destruct()
	m := bots.Default().Match("GPTBot/1.2")
	in, out := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	if a, b := v.Verdict(m, in), v.Verdict(m, out); a != bots.Pending || b != bots.Pending {
		t.Errorf("before the fetch: %s, %s", a, b)
	}
	if err := l.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a, b := v.Verdict(m, in), v.Verdict(m, out); a != bots.Verified || b != bots.Impostor {
		t.Errorf("after the fetch: %s, %s", a, b)
	}
}

func TestAllocations(t *testing.T) {
	set, _ := address.Of("192.0.2.0/24")
	v := bots.NewVerifier(bots.Options{Ranges: func(string) *address.Set { return set }})
	defer v.Destruct()
	ip := netip.MustParseAddr("192.0.2.1")
	for _, ua := range []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
	} {
		if n := testing.AllocsPerRun(100, func() {
			m := bots.Default().Match(ua)
			_ = m.Groups()
			_ = m.Name()
			_ = v.Verdict(m, ip)
		}); n != 0 {
			t.Errorf("%v allocations for %s", n, ua)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	const ua = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	c := bots.Default()
	b.ReportAllocs()
	b.SetBytes(int64(len(ua)))
	for b.Loop() {
		c.Match(ua)
	}
}
