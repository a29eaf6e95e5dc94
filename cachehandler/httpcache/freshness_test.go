package httpcache

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestLifetime(t *testing.T) {
	day := 24 * time.Hour
	heuristic := Policy{HeuristicPercent: 10, HeuristicMax: day}
	ttl := func(statuses ...int) Policy { return Policy{TTL: []Lifetime{{statuses, time.Minute}}} }
	override := func(statuses ...int) Policy { return Policy{TTLOverride: []Lifetime{{statuses, time.Minute}}} }
	targeted := Policy{Targeted: []string{"Portico-Cache-Control", "CDN-Cache-Control"}, HeuristicPercent: 10}
	modified := "\nLast-Modified: " + date(-100000)
	expires := "\nExpires: " + date(600)
	tests := []struct {
		name     string
		policy   Policy
		status   int
		response string
		want     time.Duration
		source   LifetimeSource
	}{
		{"9111-4.2.1 none", Policy{}, 200, "", 0, FromNothing},
		{"9111-4.2.1 max-age", Policy{}, 200, "Cache-Control: max-age=60", time.Minute, FromMaxAge},
		{"9111-4.2.1 s-maxage over max-age", Policy{}, 200, "Cache-Control: max-age=60, s-maxage=5", 5 * time.Second, FromSMaxAge},
		{"9111-4.2.1 long s-maxage over max-age=0 and Expires", Policy{}, 200, "Cache-Control: max-age=0, s-maxage=60\nExpires: " + date(-10), time.Minute, FromSMaxAge},
		{"9111-4.2.1 max-age over Expires", Policy{}, 200, "Cache-Control: max-age=60" + expires, time.Minute, FromMaxAge},
		{"9111-4.2.1 max-age=0 over Expires", Policy{}, 200, "Cache-Control: max-age=0" + expires, 0, FromMaxAge},
		{"9111-4.2.1 invalid max-age is stale, Expires or not", Policy{}, 200, "Cache-Control: max-age=x" + expires, 0, FromMaxAge},
		{"9111-4.2.1 invalid s-maxage is stale, max-age or not", Policy{}, 200, "Cache-Control: s-maxage=x, max-age=60", 0, FromSMaxAge},
		{"9111-4.2.1 Expires minus Date", Policy{}, 200, "Date: " + date(-100) + expires, 700 * time.Second, FromExpires},
		{"9111-4.2.1 Expires without Date: from arrival", Policy{}, 200, expires, 600 * time.Second, FromExpires},
		{"9111-4.2.1 Expires with an invalid Date", Policy{}, 200, "Date: foo" + expires, 600 * time.Second, FromExpires},
		{"9111-4.2.1 Expires before Date", Policy{}, 200, "Date: " + date(400) + "\nExpires: " + date(300), 0, FromExpires},
		{"9111-4.2.1 first of several Expires", Policy{}, 200, "Expires: " + date(60) + expires, time.Minute, FromExpires},
		{"9111-5.3 Expires 0", Policy{}, 200, "Expires: 0", 0, FromExpires},
		{"9111-5.3 Expires in words", heuristic, 200, "Expires: never" + modified, 0, FromExpires},
		{"9111-1.2.2 Expires far ahead", Policy{}, 200, "Expires: Sun, 21 Nov 2286 04:46:39 GMT", maxAge, FromExpires},
		{"9111-1.2.2 huge max-age", Policy{}, 200, "Cache-Control: max-age=99999999999", maxAge, FromMaxAge},
		{"9111-3 explicit on any status", Policy{}, 599, "Cache-Control: max-age=60", time.Minute, FromMaxAge},

		{"9111-4.2.2 heuristic", heuristic, 200, modified, 10000 * time.Second, FromHeuristic},
		{"9111-4.2.2 heuristic at most", heuristic, 200, "Last-Modified: " + date(-10000000), day, FromHeuristic},
		{"9111-4.2.2 heuristic without a most", Policy{HeuristicPercent: 10}, 200, "Last-Modified: " + date(-10000000), 1000000 * time.Second, FromHeuristic},
		{"9111-4.2.2 counts to Date", heuristic, 200, "Date: " + date(-50000) + modified, 5000 * time.Second, FromHeuristic},
		{"9111-4.2.2 off", Policy{}, 200, modified, 0, FromNothing},
		{"9111-4.2.2 none without Last-Modified", heuristic, 200, "Etag: \"a\"", 0, FromNothing},
		{"9111-4.2.2 none if modified in the future", heuristic, 200, "Last-Modified: " + date(10), 0, FromNothing},
		{"9111-4.2.2 none with an invalid Last-Modified", heuristic, 200, "Last-Modified: yesterday", 0, FromNothing},
		{"9111-4.2.2 none if explicit", heuristic, 200, "Cache-Control: max-age=0" + modified, 0, FromMaxAge},
		{"9111-4.2.2 not for 201", heuristic, 201, modified, 0, FromNothing},
		{"9111-4.2.2 not for 302", heuristic, 302, modified, 0, FromNothing},
		{"9111-4.2.2 not for 500", heuristic, 500, modified, 0, FromNothing},
		{"9111-4.2.2 not for 599", heuristic, 599, modified, 0, FromNothing},
		{"9111-5.2.2.9 for 599 if public", heuristic, 599, "Cache-Control: public" + modified, 10000 * time.Second, FromHeuristic},

		{"option ttl", ttl(), 200, "", time.Minute, FromTTL},
		{"option ttl not over the origin's", ttl(), 200, "Cache-Control: max-age=5", 5 * time.Second, FromMaxAge},
		{"option ttl not over an invalid one", ttl(), 200, "Expires: 0", 0, FromExpires},
		{"option ttl over a heuristic", Policy{TTL: ttl().TTL, HeuristicPercent: 10}, 200, modified, time.Minute, FromTTL},
		{"option ttl for a status", ttl(500, 302), 302, "", time.Minute, FromTTL},
		{"option ttl for another status", ttl(500, 302), 200, "", 0, FromNothing},
		{"option ttl without status leaves errors alone", ttl(), 500, "", 0, FromNothing},
		{"option ttl without status leaves 400 alone", ttl(), 400, "", 0, FromNothing},
		{"option ttl first match", Policy{TTL: []Lifetime{{[]int{404}, time.Second}, {nil, time.Minute}}}, 404, "", time.Second, FromTTL},
		{"option ttl of nothing", Policy{TTL: []Lifetime{{nil, 0}}}, 200, "Age: 10", 0, FromTTL},
		{"option ttl counts from arrival", ttl(), 200, "Age: 10", 70 * time.Second, FromTTL},
		{"option ttl_override", override(), 200, "Cache-Control: max-age=3600", time.Minute, FromOverride},
		{"option ttl_override over no-cache", override(), 200, "Cache-Control: no-cache", time.Minute, FromOverride},
		{"option ttl_override for what has a lifetime", override(), 500, "Cache-Control: max-age=1", time.Minute, FromOverride},
		{"option ttl_override leaves errors alone", override(), 500, "", 0, FromNothing},
		{"option ttl_override for a named error", override(500), 500, "", time.Minute, FromOverride},
		{"option ttl_override counts from arrival", override(), 200, "Cache-Control: max-age=9000\nAge: 7200", 7260 * time.Second, FromOverride},
		{"option max_ttl", Policy{MaxTTL: time.Second}, 200, "Cache-Control: max-age=60", time.Second, FromMaxAge},
		{"option max_ttl counts from arrival", Policy{MaxTTL: time.Minute}, 200, "Cache-Control: max-age=3600\nAge: 600", 660 * time.Second, FromMaxAge},
		{"option max_ttl makes nothing longer", Policy{MaxTTL: time.Minute}, 200, "Cache-Control: max-age=5\nAge: 600", 5 * time.Second, FromMaxAge},
		{"option max_ttl caps a ttl", Policy{MaxTTL: time.Second, TTL: ttl().TTL}, 200, "Age: 600", 601 * time.Second, FromTTL},
		{"option max_ttl caps an override", Policy{MaxTTL: time.Second, TTLOverride: override().TTLOverride}, 200, "", time.Second, FromOverride},
		{"option max_ttl caps a heuristic", Policy{MaxTTL: time.Second, HeuristicPercent: 10}, 200, modified, time.Second, FromHeuristic},

		{"9213-2.2 targeted over Cache-Control", targeted, 200, "Cdn-Cache-Control: max-age=60\nCache-Control: max-age=1, s-maxage=2", time.Minute, FromMaxAge},
		{"9213-2.2 short targeted over long", targeted, 200, "Cdn-Cache-Control: max-age=1\nCache-Control: max-age=60", time.Second, FromMaxAge},
		{"9213-2.2 targeted over Expires", targeted, 200, "Cdn-Cache-Control: max-age=60\nExpires: 0", time.Minute, FromMaxAge},
		{"9213-2.2 Expires does not fill in", targeted, 200, "Cdn-Cache-Control: must-revalidate" + expires, 0, FromNothing},
		{"9213-2.2 the most specific", targeted, 200, "Cdn-Cache-Control: max-age=1\nPortico-Cache-Control: max-age=60", time.Minute, FromMaxAge},
		{"9213-2.1 invalid: as if absent", targeted, 200, "Cdn-Cache-Control: max-age=1, &&&\nCache-Control: max-age=60", time.Minute, FromMaxAge},
		{"9213-2.1 invalid: the next one", targeted, 200, "Portico-Cache-Control: =\nCdn-Cache-Control: max-age=60", time.Minute, FromMaxAge},
		{"9213-2.1 empty: as if absent", targeted, 200, "Cdn-Cache-Control:\nCache-Control: max-age=60", time.Minute, FromMaxAge},
		{"9213-2.1 upper case is no key", targeted, 200, "Cdn-Cache-Control: Max-Age=1\nCache-Control: max-age=60", time.Minute, FromMaxAge},
		{"9213-2.1 a string is no number", targeted, 200, "Cdn-Cache-Control: max-age=\"60\"\nCache-Control: max-age=60", 0, FromMaxAge},
		{"9213-2.1 a decimal is no number", targeted, 200, "Cdn-Cache-Control: max-age=60.0", 0, FromMaxAge},
		{"9213-2.1 negative", targeted, 200, "Cdn-Cache-Control: max-age=-60", 0, FromMaxAge},
		{"9213-2.1 parameters are ignored", targeted, 200, "Cdn-Cache-Control: max-age=60;a=b;c", time.Minute, FromMaxAge},
		{"9213-2.1 unknown directives", targeted, 200, "Cdn-Cache-Control: foobar, max-age=60", time.Minute, FromMaxAge},
		{"9213-2.1 the last of two (RFC 9651 §4.2.2)", targeted, 200, "Cdn-Cache-Control: max-age=1, max-age=60", time.Minute, FromMaxAge},
		{"9213-2.1 several lines", targeted, 200, "Cdn-Cache-Control: public\nCdn-Cache-Control: max-age=60", time.Minute, FromMaxAge},
		{"9213-2.1 huge", targeted, 200, "Cdn-Cache-Control: max-age=99999999999", maxAge, FromMaxAge},
		{"9213-2.2 not in the list", Policy{}, 200, "Cdn-Cache-Control: max-age=60", 0, FromNothing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := parseResponse(get(tt.status, tt.response), &tt.policy)
			if r.lifetime != tt.want || r.source != tt.source {
				t.Errorf("lifetime = %v from %v, want %v from %v", r.lifetime, r.source, tt.want, tt.source)
			}
		})
	}
}

func TestCurrentAge(t *testing.T) {
	tests := []struct {
		name     string
		response string
		delay    int // seconds between request and response
		resident int
		want     int
	}{
		{"9111-4.2.3 fresh from the origin", "Date: " + date(0), 0, 0, 0},
		{"9111-4.2.3 resident time", "Date: " + date(0), 0, 30, 30},
		{"9111-4.2.3 apparent age", "Date: " + date(-40), 0, 0, 40},
		{"9111-4.2.3 Date in the future", "Date: " + date(40), 0, 5, 5},
		{"9111-4.2.3 Age", "Age: 30\nDate: " + date(0), 0, 2, 32},
		{"9111-4.2.3 Age and delay", "Age: 30\nDate: " + date(0), 7, 0, 37},
		{"9111-4.2.3 the greater of both", "Age: 30\nDate: " + date(-50), 7, 0, 50},
		{"9111-4.2.3 clock set back", "Age: 30", 0, -100, 30},
		{"9111-5.1 no number", "Age: abc", 0, 0, 0},
		{"9111-5.1 negative", "Age: -7200", 0, 0, 0},
		{"9111-5.1 fraction", "Age: 7200.0", 0, 0, 0},
		{"9111-5.1 parameter", "Age: 7200;foo=bar", 0, 0, 0},
		{"9111-5.1 first member of a list", "Age: 7200, 0", 0, 0, 7200},
		{"9111-5.1 first member of a list, young", "Age: 0, 7200", 0, 0, 0},
		{"9111-5.1 first line", "Age: 7200\nAge: 0", 0, 0, 7200},
		{"9111-5.1 first line, young", "Age: 0\nAge: 7200", 0, 0, 0},
		{"9111-5.1 first member is invalid", "Age: x, 7200", 0, 0, 0},
		{"9111-1.2.2 2^31", "Age: 2147483648", 0, 0, 1 << 31},
		{"9111-1.2.2 over 2^31", "Age: 99999999999999999999", 0, 0, 1 << 31},
		{"9111-1.2.2 Date of the year 1", "Date: Mon, 01 Jan 0001 00:00:00 GMT", 0, 0, 1 << 31},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := get(200, "Cache-Control: max-age=60\nEtag: \"a\"\n"+tt.response)
			x.RequestTime = now.Add(-time.Duration(tt.delay) * time.Second)
			s := mustStoreAs(t, x, &Policy{})
			want := time.Duration(tt.want) * time.Second
			at := now.Add(time.Duration(tt.resident) * time.Second)
			if got := s.Age(at); got != want {
				t.Errorf("Age = %v, want %v", got, want)
			}
			if got := s.TTL(at); got != time.Minute-want {
				t.Errorf("TTL = %v, want %v", got, time.Minute-want)
			}
		})
	}
}

func TestAgeOfWholeSeconds(t *testing.T) {
	// Date has whole seconds: what the origin made 0.9 s ago within the same
	// second is not a second old.
	x := get(200, "Cache-Control: max-age=1\nDate: "+date(0))
	x.RequestTime = now.Add(880 * time.Millisecond)
	x.ResponseTime = now.Add(900 * time.Millisecond)
	if got := mustStoreAs(t, x, &Policy{}).InitialAge; got != 20*time.Millisecond {
		t.Errorf("InitialAge = %v, want 20ms", got)
	}
}

func TestAgeWithoutRequestTime(t *testing.T) {
	x := get(200, "Cache-Control: max-age=60\nAge: 5")
	x.RequestTime = time.Time{}
	if got := mustStoreAs(t, x, &Policy{}).InitialAge; got != 5*time.Second {
		t.Errorf("InitialAge = %v, want 5s", got)
	}
	x.RequestTime = now.Add(time.Hour) // after the response: no delay
	if got := mustStoreAs(t, x, &Policy{}).InitialAge; got != 5*time.Second {
		t.Errorf("InitialAge = %v, want 5s", got)
	}
}

func TestAgeIgnoresTheMonotonicClock(t *testing.T) {
	x := get(200, "Cache-Control: max-age=60")
	x.ResponseTime = time.Now() // with a monotonic reading
	x.RequestTime = x.ResponseTime
	if s := mustStoreAs(t, x, &Policy{}); s.ResponseTime != s.ResponseTime.Round(0) {
		t.Errorf("ResponseTime %v has a monotonic reading", s.ResponseTime)
	}
}

func TestExpire(t *testing.T) {
	s := mustStore(t, "Cache-Control: max-age=60, stale-while-revalidate=30")
	at := now.Add(10 * time.Second)
	expired := s.Expire(at)
	if s.TTL(at) != 50*time.Second {
		t.Errorf("Expire changed the original: TTL %v", s.TTL(at))
	}
	for _, tt := range []struct {
		name  string
		after time.Duration
		want  Use
	}{
		{"stale at once", 0, UseStale},
		{"stale in the window, which begins with the purge", 29 * time.Second, UseStale},
		{"stale behind the window", 31 * time.Second, UseValidated},
	} {
		if use, why := new(Policy).Reuse(expired, http.Header{}, at.Add(tt.after)); use != tt.want {
			t.Errorf("%s: Reuse = %v (%v), want %v", tt.name, use, why, tt.want)
		}
	}
	late := now.Add(time.Hour)
	if again := s.Expire(late); again.Lifetime != s.Lifetime {
		t.Errorf("Expire of what is stale: Lifetime %v, want %v", again.Lifetime, s.Lifetime)
	}
}

func TestLifetimeSourceString(t *testing.T) {
	seen := map[string]bool{}
	for l := FromNothing; l <= FromHeuristic; l++ {
		if seen[l.String()] {
			t.Errorf("LifetimeSource %d has the word of another: %q", l, l)
		}
		seen[l.String()] = true
	}
}

// slowFresh is response_is_fresh of RFC 9111 §4.2 in whole seconds, written
// down from the text: §4.2.1 in its order, then §4.2.3 line by line.
func slowFresh(h http.Header, requestTime, responseTime, now float64) bool {
	number := func(s string) (float64, bool) {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || s == "" || strings.Trim(s, "0123456789") != "" {
			return 0, false
		}
		return math.Min(n, 1<<31), true
	}
	unix := func(name string) (float64, bool) {
		at, err := http.ParseTime(h.Get(name))
		return float64(at.Unix()), err == nil
	}
	dateValue, ok := unix("Date")
	if !ok {
		dateValue = responseTime
	}

	freshnessLifetime := 0.0
	directives := map[string]string{}
	for element := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(element), "=")
		if _, twice := directives[name]; !twice {
			directives[name] = value
		}
	}
	if sMaxAge, ok := directives["s-maxage"]; ok {
		freshnessLifetime, _ = number(sMaxAge)
	} else if maxAge, ok := directives["max-age"]; ok {
		freshnessLifetime, _ = number(maxAge)
	} else if expires, ok := unix("Expires"); ok {
		freshnessLifetime = math.Min(expires-dateValue, 1<<31)
	}

	ageValue, _ := number(h.Get("Age"))
	apparentAge := math.Max(0, responseTime-dateValue)
	responseDelay := responseTime - requestTime
	correctedAgeValue := ageValue + responseDelay
	correctedInitialAge := math.Min(math.Max(apparentAge, correctedAgeValue), 1<<31)
	residentTime := now - responseTime
	currentAge := correctedInitialAge + residentTime
	return freshnessLifetime > currentAge
}

func FuzzFreshness(f *testing.F) {
	f.Add("60", "", "", int32(0), int32(0), uint8(0), uint16(30), uint8(7))
	f.Add("60", "5", "10", int32(100), int32(-10), uint8(2), uint16(3), uint8(1))
	f.Add("x", "99999999999", "-1", int32(1<<30), int32(1<<30), uint8(9), uint16(0), uint8(15))
	f.Fuzz(func(t *testing.T, maxAge, sMaxAge, age string, expires, dated int32, delay uint8, resident uint16, which uint8) {
		if strings.Trim(maxAge+sMaxAge+age, "0123456789abcdefghijklmnopqrstuvwxyz.-") != "" {
			t.Skip("other spellings have their own tests")
		}
		h := http.Header{"Etag": {`"a"`}} // so that what is stale at once is stored
		add := func(bit uint8, name, value string) {
			if which&bit != 0 {
				h.Set(name, strings.TrimPrefix(h.Get(name)+", "+value, ", "))
			}
		}
		add(1, "Cache-Control", "max-age="+maxAge)
		add(2, "Cache-Control", "s-maxage="+sMaxAge)
		add(4, "Expires", now.Add(time.Duration(expires)*time.Second).Format(http.TimeFormat))
		add(8, "Date", now.Add(time.Duration(dated)*time.Second).Format(http.TimeFormat))
		add(16, "Age", age)
		x := get(200, "")
		x.Header = h
		x.RequestTime = now.Add(-time.Duration(delay) * time.Second)
		at := now.Add(time.Duration(resident) * time.Second)
		got := mustStoreAs(t, x, &Policy{}).TTL(at) > 0
		seconds := func(t time.Time) float64 { return float64(t.Unix()) }
		if want := slowFresh(h, seconds(x.RequestTime), seconds(now), seconds(at)); got != want {
			t.Errorf("fresh = %v, want %v for %v after %v s", got, want, h, resident)
		}
	})
}
