package httpcache

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A second cache, written from the text of RFC 9111 §3 and §4 with maps and
// splitting, that knows no Reason and no order of checks. Random messages of
// a small vocabulary go through both.

// slowDirectives splits a Cache-Control of well-formed, unquoted directives.
func slowDirectives(h http.Header) map[string]string {
	directives := map[string]string{}
	for element := range strings.SplitSeq(strings.Join(h["Cache-Control"], ","), ",") {
		name, argument, _ := strings.Cut(strings.TrimSpace(element), "=")
		if _, twice := directives[name]; !twice && name != "" {
			directives[name] = argument
		}
	}
	return directives
}

func slowHas(directives map[string]string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, ok := directives[name]; return ok })
}

func slowNumber(directives map[string]string, name string) (time.Duration, bool) {
	argument, ok := directives[name]
	n, err := strconv.Atoi(argument)
	if err != nil {
		n = 0 // §4.2.1: invalid is stale
	}
	return time.Duration(n) * time.Second, ok
}

// slowStored is what the second cache remembers.
type slowStored struct {
	directives map[string]string
	lifetime   time.Duration
	validator  bool
}

// slowStore is §3 for a shared cache, condition by condition, and the rules
// that the comment of storable.go adds.
func slowStore(x *Exchange) (*slowStored, bool) {
	cc, asked := slowDirectives(x.Header), slowDirectives(x.RequestHeader)
	heuristically := slices.Contains([]int{200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 451, 501}, x.Status)
	s := &slowStored{directives: cc}
	s.validator = x.Header.Get("Etag") != "" || x.Header.Get("Last-Modified") != ""
	lifetime, explicit := slowNumber(cc, "s-maxage")
	if !explicit {
		lifetime, explicit = slowNumber(cc, "max-age")
	}
	if expires, err := http.ParseTime(x.Header.Get("Expires")); !explicit && x.Header.Get("Expires") != "" {
		explicit = true
		if err == nil {
			lifetime = max(0, expires.Sub(x.ResponseTime))
		}
	}
	s.lifetime = lifetime

	_, sMaxAgeErr := strconv.Atoi(cc["s-maxage"])
	shareable := slowHas(cc, "public") || slowHas(cc, "s-maxage") && sMaxAgeErr == nil
	switch {
	case x.Method != http.MethodGet, slowHas(asked, "no-store"), slowHas(cc, "no-store"), slowHas(cc, "private"):
		return nil, false
	case x.RequestHeader.Get("Authorization") != "" && !shareable && !slowHas(cc, "must-revalidate"): // §3.5
		return nil, false
	case !explicit && !slowHas(cc, "public") && !heuristically:
		return nil, false
	case x.Header.Get("Vary") == "*", x.Header.Get("Set-Cookie") != "" && !shareable:
		return nil, false
	case x.RequestHeader.Get("Cookie") != "" && !shareable && (lifetime == 0 || x.Status == 500): // the cookie may be the reason
		return nil, false
	case s.validator:
		return s, true
	case slowHas(cc, "no-cache"), !explicit: // cannot be validated, cannot be used without
		return nil, false
	}
	window := time.Duration(0)
	if !slowHas(cc, "no-cache", "must-revalidate", "proxy-revalidate") { // what s-maxage forbids, an extension beside it permits (§5.2.3)
		whileRevalidate, _ := slowNumber(cc, "stale-while-revalidate")
		onError, _ := slowNumber(cc, "stale-if-error")
		window = max(whileRevalidate, onError)
	}
	return s, lifetime+window > 0
}

// slowReuse is §4: may it be used at this age without validation?
func slowReuse(s *slowStored, request http.Header, age time.Duration) bool {
	asked := slowDirectives(request)
	if len(request["Cache-Control"]) == 0 && request.Get("Pragma") == "no-cache" {
		asked["no-cache"] = ""
	}
	_, sMaxAgeErr := strconv.Atoi(s.directives["s-maxage"])
	shared := slowHas(s.directives, "public", "must-revalidate") || sMaxAgeErr == nil
	if request.Get("Authorization") != "" && !shared {
		return false
	}
	if slowHas(s.directives, "no-cache") || slowHas(asked, "no-cache", "no-store") {
		return false
	}
	fresh := s.lifetime > age
	maxAge, limited := slowNumber(asked, "max-age")
	if limited && (age > maxAge || maxAge == 0) && !(fresh && slowHas(s.directives, "immutable")) {
		return false
	}
	if minFresh, ok := slowNumber(asked, "min-fresh"); ok && (!fresh || s.lifetime-age < minFresh) {
		return false
	}
	if fresh {
		return true
	}
	if slowHas(s.directives, "must-revalidate", "proxy-revalidate") {
		return false
	}
	window, ok := slowNumber(s.directives, "stale-while-revalidate")
	within := !limited && ok && window > 0 && age-s.lifetime <= window
	argument, ok := asked["max-stale"]
	if !ok {
		return within
	}
	maxStale, _ := slowNumber(asked, "max-stale")
	taken := argument == "" || age-s.lifetime <= maxStale
	if slowHas(s.directives, "s-maxage") {
		return taken && within
	}
	return taken
}

// pick joins some of the words.
func pick(r *rand.Rand, most int, words ...string) string {
	r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	return strings.Join(words[:r.IntN(most+1)], ", ")
}

func randomRequest(r *rand.Rand) http.Header {
	h := http.Header{}
	if value := pick(r, 2, "max-age=10", "max-age=0", "max-stale", "max-stale=20", "min-fresh=10", "no-cache", "no-store", "foo"); value != "" {
		h.Set("Cache-Control", value)
	}
	for _, line := range []string{"Pragma: no-cache", "Authorization: Basic eDp5", "Cookie: a=b"} {
		if name, value, _ := strings.Cut(line, ": "); r.IntN(6) == 0 {
			h.Set(name, value)
		}
	}
	return h
}

func randomResponse(r *rand.Rand) http.Header {
	h := http.Header{}
	directives := []string{
		"max-age=30", "max-age=0", "max-age=x", "s-maxage=20", "s-maxage=0", "s-maxage=x", "public", "must-revalidate", "proxy-revalidate",
		"stale-while-revalidate=20", "stale-if-error=40", "immutable", "foo=bar", "max-age=30", "max-age=30",
	}
	if r.IntN(4) == 0 {
		directives = append(directives, "no-store", "private", "no-cache", "no-cache")
	}
	for range 1 + r.IntN(2) {
		h.Add("Cache-Control", pick(r, 3, directives...))
	}
	for _, line := range []string{
		`Etag: "a"`, "Last-Modified: " + date(-100), "Expires: " + date(15), "Expires: 0", "Set-Cookie: a=b", "Vary: *",
	} {
		if name, value, _ := strings.Cut(line, ": "); r.IntN(6) == 0 {
			h.Set(name, value)
		}
	}
	return h
}

func TestAgainstTheSecondCache(t *testing.T) {
	r := rand.New(rand.NewPCG(9111, 9110))
	p := &Policy{}
	var stored, reused int
	const rounds = 10000
	for range rounds {
		x := get([]int{200, 200, 302, 404, 500}[r.IntN(5)], "")
		x.RequestHeader, x.Header = randomRequest(r), randomResponse(r)
		s, why := Store(x, p)
		slow, want := slowStore(x)
		if (s != nil) != want {
			t.Fatalf("%d %v to %v: %v, want stored %v", x.Status, x.Header, x.RequestHeader, why, want)
		}
		if s == nil {
			continue
		}
		stored++
		request := randomRequest(r)
		for _, seconds := range []int{0, 5, 15, 20, 25, 30, 35, 45, 70} {
			age := time.Duration(seconds) * time.Second
			use, why := p.Reuse(s, request, now.Add(age))
			got, want := use == UseFresh || use == UseStale, slowReuse(slow, request, age)
			if got != want {
				t.Fatalf("%v after %v for %v: %v (%v), want used %v", x.Header, age, request, use, why, want)
			}
			if got {
				reused++
			}
		}
	}
	if stored < rounds/10 || reused < rounds/4 {
		t.Errorf("of %d only %d were stored and %d used: the messages are too odd to tell", rounds, stored, reused)
	}
}
