package portico_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// storedForClauses are the responses that requestClauses ask for: all are stored
// when the row's request comes.
func storedForClauses() map[string][]string {
	const digits = "| 0123456789"
	hour := "Last-Modified: " + imf(-time.Hour)
	return map[string][]string{
		"/both":   {"Cache-Control: max-age=600", `ETag: "v1"`, hour, digits},
		"/weak":   {"Cache-Control: max-age=600", `ETag: W/"v1"`, hour, digits},
		"/comma":  {"Cache-Control: max-age=600", `ETag: "a, \"b"`, digits},
		"/date":   {"Cache-Control: max-age=600", hour, digits},
		"/now":    {"Cache-Control: max-age=600", "Date: " + imf(0), "Last-Modified: " + imf(0), digits},
		"/none":   {"Cache-Control: max-age=600", digits},
		"/empty":  {"Cache-Control: max-age=600", `ETag: "v1"`, "| "},
		"/404":    {"HTTP/1.1 404 Not Found", "Cache-Control: max-age=600", `ETag: "v1"`, hour, digits},
		"/301":    {"HTTP/1.1 301 Moved", "Location: /x", "Cache-Control: max-age=600", `ETag: "v1"`, digits},
		"/203":    {"HTTP/1.1 203 Changed", "Cache-Control: max-age=600", `ETag: "v1"`, digits},
		"/aged":   {"Cache-Control: max-age=600", "Age: 300", `ETag: "v1"`, digits},
		"/stale":  {"Cache-Control: max-age=600", "Age: 900", `ETag: "v1"`, digits},
		"/strict": {"Cache-Control: max-age=600, must-revalidate", "Age: 900", `ETag: "v1"`, digits},
		"/shared": {"Cache-Control: s-maxage=600", "Age: 900", `ETag: "v1"`, digits},
	}
}

const asked = -1 // the origin is asked

// requestClause is a request for what is stored, and what the answer is.
type requestClause struct {
	name, method, path string
	fields             []string
	status             int // asked: whatever, but from the origin
	body               string
}

// requestClauses has $date where the stored Last-Modified is meant.
func requestClauses() []requestClause {
	return []requestClause{
		{"9110-13.1.2 same tag", "GET", "/both", []string{`If-None-Match: "v1"`}, 304, ""},
		{"9110-13.1.2 weak of a strong one", "GET", "/both", []string{`If-None-Match: W/"v1"`}, 304, ""},
		{"9110-13.1.2 strong of a weak one", "GET", "/weak", []string{`If-None-Match: "v1"`}, 304, ""},
		{"9110-8.8.3 W in lower case", "GET", "/both", []string{`If-None-Match: w/"v1"`}, 200, "0123456789"},
		{"9110-13.1.2 unquoted", "GET", "/both", []string{`If-None-Match: v1`}, 200, "0123456789"},
		{"9110-13.1.2 case of tags", "GET", "/both", []string{`If-None-Match: "V1"`}, 200, "0123456789"},
		{"9110-13.1.2 list", "GET", "/both", []string{`If-None-Match: "x" ,,W/"y", "v1"`}, 304, ""},
		{"9110-13.1.2 lines", "GET", "/both", []string{`If-None-Match: "x"`, `If-None-Match: "v1"`}, 304, ""},
		{"9110-13.1.2 star", "GET", "/both", []string{`If-None-Match: *`}, 304, ""},
		{"9110-13.1.2 star without a tag", "GET", "/none", []string{`If-None-Match: *`}, 304, ""},
		{"9110-13.1.2 quoted star", "GET", "/both", []string{`If-None-Match: "*"`}, 200, "0123456789"},
		{"9110-13.1.2 comma in a tag", "GET", "/comma", []string{`If-None-Match: "v1"`}, 200, "0123456789"},
		{"9110-13.1.2 empty", "GET", "/both", []string{`If-None-Match: `}, 200, "0123456789"},
		{"9110-13.1.2 no tag stored", "GET", "/date", []string{`If-None-Match: "v1"`}, 200, "0123456789"},
		{"9110-13.1.2 HEAD", "HEAD", "/both", []string{`If-None-Match: "v1"`}, 304, ""},
		{"9110-13.1.3 ignored beside If-None-Match", "GET", "/both", []string{`If-None-Match: "x"`, "If-Modified-Since: " + imf(0)}, 200, "0123456789"},
		{"9110-13.1.3 ignored beside an empty one", "GET", "/both", []string{`If-None-Match:`, "If-Modified-Since: " + imf(0)}, 200, "0123456789"},
		{"9110-13.1.3 later", "GET", "/both", []string{"If-Modified-Since: " + imf(-time.Minute)}, 304, ""},
		{"9110-13.1.3 equal", "GET", "/both", []string{"If-Modified-Since: $date"}, 304, ""},
		{"9110-13.1.3 earlier", "GET", "/both", []string{"If-Modified-Since: " + imf(-2*time.Hour)}, 200, "0123456789"},
		{"9110-13.1.3 rfc850", "GET", "/both", []string{"If-Modified-Since: " + rfc850(-time.Minute)}, 304, ""},
		{"9110-13.1.3 asctime", "GET", "/both", []string{"If-Modified-Since: " + asctime(-time.Minute)}, 304, ""},
		{"9110-13.1.3 future", "GET", "/both", []string{"If-Modified-Since: " + imf(100*time.Hour)}, 304, ""},
		{"9110-13.1.3 no date", "GET", "/both", []string{"If-Modified-Since: 0"}, 200, "0123456789"},
		{"9110-13.1.3 two lines", "GET", "/both", []string{"If-Modified-Since: " + imf(0), "If-Modified-Since: " + imf(0)}, 200, "0123456789"},
		{"9110-13.1.3 list", "GET", "/both", []string{"If-Modified-Since: " + imf(0) + ", " + imf(0)}, 200, "0123456789"},
		{"9110-13.1.3 length of old browsers", "GET", "/both", []string{"If-Modified-Since: " + imf(0) + "; length=10"}, 200, "0123456789"},
		{"9111-4.3.2 Date in place of Last-Modified", "GET", "/none", []string{"If-Modified-Since: " + imf(time.Minute)}, 304, ""},
		{"9111-4.3.2 earlier than Date", "GET", "/none", []string{"If-Modified-Since: " + imf(-time.Minute)}, 200, "0123456789"},
		{"9110-13.2.1 404", "GET", "/404", []string{`If-None-Match: "v1"`, "If-Modified-Since: " + imf(0)}, 404, "0123456789"},
		{"9110-13.2.1 301", "GET", "/301", []string{`If-None-Match: *`}, 301, "0123456789"},
		{"9111-4.3.2 If-Match is the origin's", "GET", "/both", []string{`If-Match: "v1"`}, asked, ""},
		{"9111-4.3.2 empty If-Match", "GET", "/both", []string{`If-Match:`}, asked, ""},
		{"9111-4.3.2 If-Unmodified-Since is the origin's", "GET", "/both", []string{`If-Unmodified-Since: 0`}, asked, ""},
		{"9110-14.1.2 first bytes", "GET", "/both", []string{"Range: bytes=0-2"}, 206, "012"},
		{"9110-14.1 unit in upper case", "GET", "/both", []string{"Range: BYTES=0-2"}, 206, "012"},
		{"9110-14.1.2 space after =", "GET", "/both", []string{"Range: bytes= 0-2"}, 206, "012"},
		{"9110-14.2 space before =", "GET", "/both", []string{"Range: bytes =0-2"}, 200, "0123456789"},
		{"9110-14.1.1 spaces within", "GET", "/both", []string{"Range: bytes=0 - 2"}, 200, "0123456789"},
		{"9110-14.1.2 open", "GET", "/both", []string{"Range: bytes=7-"}, 206, "789"},
		{"9110-14.1.2 suffix", "GET", "/both", []string{"Range: bytes=-3"}, 206, "789"},
		{"9110-14.1.2 suffix longer than all", "GET", "/both", []string{"Range: bytes=-300"}, 206, "0123456789"},
		{"9110-14.1.2 suffix of nothing", "GET", "/both", []string{"Range: bytes=-0"}, 416, ""},
		{"9110-14.1.2 beyond the end", "GET", "/both", []string{"Range: bytes=8-99999999999999999999999"}, 206, "89"},
		{"9110-14.1.2 from beyond the end", "GET", "/both", []string{"Range: bytes=99999999999999999999999-"}, 416, ""},
		{"9110-14.1.2 from beyond 2^64", "GET", "/both", []string{"Range: bytes=18446744073709551617-"}, 416, ""},
		{"9110-14.1.2 to beyond 2^64", "GET", "/both", []string{"Range: bytes=5-18446744073709551622"}, 206, "56789"},
		{"9110-14.1.2 from the end", "GET", "/both", []string{"Range: bytes=10-"}, 416, ""},
		{"9110-14.1.2 last byte", "GET", "/both", []string{"Range: bytes=9-9"}, 206, "9"},
		{"9110-14.1.1 last before first", "GET", "/both", []string{"Range: bytes=5-4"}, 200, "0123456789"},
		{"9110-14.1.1 one invalid of two", "GET", "/both", []string{"Range: bytes=0-1,5-4"}, 200, "0123456789"},
		{"9110-14.1.1 minus alone", "GET", "/both", []string{"Range: bytes=-"}, 200, "0123456789"},
		{"9110-14.1.1 two minus", "GET", "/both", []string{"Range: bytes=--3"}, 200, "0123456789"},
		{"9110-14.1.1 plus", "GET", "/both", []string{"Range: bytes=+1-2"}, 200, "0123456789"},
		{"9110-14.1.1 letters", "GET", "/both", []string{"Range: bytes=a-b"}, 200, "0123456789"},
		{"9110-14.1.1 empty elements", "GET", "/both", []string{"Range: bytes=,0-2,"}, 206, "012"},
		{"9110-14.1.1 no element", "GET", "/both", []string{"Range: bytes="}, 200, "0123456789"},
		{"9110-14.2 unknown unit", "GET", "/both", []string{"Range: seconds=0-2"}, 200, "0123456789"},
		{"9110-14.2 two lines", "GET", "/both", []string{"Range: bytes=0-2", "Range: bytes=4-5"}, 200, "0123456789"},
		{"9110-15.3.7.2 one left of two", "GET", "/both", []string{"Range: bytes=0-2,20-30"}, 206, "012"},
		{"9110-15.3.7.2 two that touch", "GET", "/both", []string{"Range: bytes=0-2,3-5"}, 206, "012345"},
		{"9110-14.1.2 none of two", "GET", "/both", []string{"Range: bytes=20-,30-"}, 416, ""},
		{"9110-14.2 HEAD", "HEAD", "/both", []string{"Range: bytes=0-2"}, 200, ""},
		{"9110-14.2 nothing to have parts of", "GET", "/empty", []string{"Range: bytes=0-2"}, 416, ""},
		{"9110-14.1.2 suffix of nothing stored", "GET", "/empty", []string{"Range: bytes=-2"}, 200, ""},
		{"9110-14.2 only where it would be 200", "GET", "/404", []string{"Range: bytes=0-2"}, 404, "0123456789"},
		{"9110-14.2 nor 203", "GET", "/203", []string{"Range: bytes=0-2"}, 203, "0123456789"},
		{"9110-13.2.2 If-None-Match before Range", "GET", "/both", []string{"Range: bytes=0-2", `If-None-Match: "v1"`}, 304, ""},
		{"9110-13.2.2 If-None-Match before an unsatisfiable one", "GET", "/both", []string{"Range: bytes=20-", `If-None-Match: "v1"`}, 304, ""},
		{"9110-13.2.2 Range if it does not match", "GET", "/both", []string{"Range: bytes=0-2", `If-None-Match: "x"`}, 206, "012"},
		{"9110-13.1.5 same tag", "GET", "/both", []string{"Range: bytes=0-2", `If-Range: "v1"`}, 206, "012"},
		{"9110-13.1.5 other tag", "GET", "/both", []string{"Range: bytes=0-2", `If-Range: "x"`}, 200, "0123456789"},
		{"9110-13.1.5 other tag, unsatisfiable", "GET", "/both", []string{"Range: bytes=20-", `If-Range: "x"`}, 200, "0123456789"},
		{"9110-13.1.5 weak", "GET", "/weak", []string{"Range: bytes=0-2", `If-Range: W/"v1"`}, 200, "0123456789"},
		{"9110-13.1.5 strong of a weak one", "GET", "/weak", []string{"Range: bytes=0-2", `If-Range: "v1"`}, 200, "0123456789"},
		{"9110-13.1.5 weak of a strong one", "GET", "/both", []string{"Range: bytes=0-2", `If-Range: W/"v1"`}, 200, "0123456789"},
		{"9110-13.1.5 list", "GET", "/both", []string{"Range: bytes=0-2", `If-Range: "v1", "v2"`}, 200, "0123456789"},
		{"9110-13.1.5 star", "GET", "/both", []string{"Range: bytes=0-2", `If-Range: *`}, 200, "0123456789"},
		{"9110-13.1.5 two lines", "GET", "/both", []string{"Range: bytes=0-2", `If-Range: "v1"`, `If-Range: "v1"`}, 200, "0123456789"},
		{"9110-13.1.5 empty", "GET", "/both", []string{"Range: bytes=0-2", `If-Range:`}, 200, "0123456789"},
		{"9110-13.1.5 without Range", "GET", "/both", []string{`If-Range: "x"`}, 200, "0123456789"},
		{"9110-13.1.5 later date", "GET", "/date", []string{"Range: bytes=0-2", "If-Range: " + imf(0)}, 200, "0123456789"},
		{"9110-13.1.5 date of a second", "GET", "/now", []string{"Range: bytes=0-2", "If-Range: $date"}, 200, "0123456789"},
		{"9110-13.1.5 exact date", "GET", "/date", []string{"Range: bytes=0-2", "If-Range: $date"}, 206, "012"},
		{"9110-13.2.2 If-None-Match, If-Range and Range", "GET", "/both", []string{"Range: bytes=0-2", `If-Range: "x"`, `If-None-Match: "v1"`}, 304, ""},
		{"9111-5.2.1.1 max-age younger", "GET", "/aged", []string{"Cache-Control: max-age=299"}, asked, ""},
		{"9111-5.2.1.1 max-age older", "GET", "/aged", []string{`Cache-Control: max-age="400"`}, 200, "0123456789"},
		{"9111-5.2.1.1 huge", "GET", "/aged", []string{"Cache-Control: max-age=99999999999999999999"}, 200, "0123456789"},
		{"9111-5.2.1.2 max-stale", "GET", "/stale", []string{"Cache-Control: max-stale=400"}, 200, "0123456789"},
		{"9111-5.2.1.2 not that stale", "GET", "/stale", []string{"Cache-Control: max-stale=200"}, asked, ""},
		{"9111-5.2.1.2 any", "GET", "/stale", []string{"Cache-Control: MAX-STALE"}, 200, "0123456789"},
		{"9111-5.2.1.2 empty is none", "GET", "/stale", []string{"Cache-Control: max-stale="}, asked, ""},
		{"9111-5.2.1.2 huge", "GET", "/stale", []string{"Cache-Control: max-stale=99999999999999999999"}, 200, "0123456789"},
		{"9111-5.2.2.2 not against must-revalidate", "GET", "/strict", []string{"Cache-Control: max-stale"}, asked, ""},
		{"9111-5.2.2.10 not against s-maxage", "GET", "/shared", []string{"Cache-Control: max-stale"}, asked, ""},
		{"9111-5.2.1.3 min-fresh", "GET", "/aged", []string{"Cache-Control: min-fresh=290"}, 200, "0123456789"},
		{"9111-5.2.1.3 longer", "GET", "/aged", []string{"Cache-Control: min-fresh=310"}, asked, ""},
		{"9111-5.2.1.4 no-cache", "GET", "/both", []string{"Cache-Control: No-Cache"}, asked, ""},
		{"9111-5.2.1.4 with argument", "GET", "/both", []string{`Cache-Control: no-cache="x"`}, 200, "0123456789"},
		{"9111-5.4 Pragma", "GET", "/both", []string{"Pragma: No-Cache"}, asked, ""},
		{"9111-5.4 in a list", "GET", "/both", []string{`Pragma: x="y", no-cache`}, asked, ""},
		{"9111-5.4 beside Cache-Control", "GET", "/both", []string{"Pragma: no-cache", "Cache-Control: max-age=600"}, 200, "0123456789"},
		{"9111-5.2.1.7 stored", "GET", "/both", []string{"Cache-Control: only-if-cached"}, 200, "0123456789"},
		{"9111-5.2.1.7 stale", "GET", "/stale", []string{"Cache-Control: only-if-cached"}, 504, ""},
		{"9111-5.2.1.7 stale and taken", "GET", "/stale", []string{"Cache-Control: only-if-cached, max-stale"}, 200, "0123456789"},
		{"9111-5.2.1.7 nothing", "GET", "/nothing", []string{"Cache-Control: only-if-cached"}, 504, ""},
		{"9111-5.2.1.7 HEAD of nothing", "HEAD", "/nothing", []string{"Cache-Control: only-if-cached"}, 504, ""},
		{"9111-5.2.1.7 part of nothing", "GET", "/nothing", []string{"Cache-Control: only-if-cached", "Range: bytes=0-1"}, 504, ""},
		{"9111-5.2.1.7 with If-Match", "GET", "/both", []string{"Cache-Control: only-if-cached", `If-Match: "v1"`}, 504, ""},
		{"9111-5.2.1.7 with no-cache", "GET", "/both", []string{"Cache-Control: only-if-cached, no-cache"}, 504, ""},
		{"9111-5.2.1.7 with no-store", "GET", "/nothing", []string{"Cache-Control: only-if-cached, no-store"}, 504, ""},
		{"9111-5.2.1.7 with Authorization", "GET", "/both", []string{"Cache-Control: only-if-cached", "Authorization: Basic eDp5"}, 504, ""},
		{"9111-5.2.1.7 for a stream", "GET", "/nothing", []string{"Cache-Control: only-if-cached", "Accept: text/event-stream"}, 504, ""},
		{"9111-4 only-if-cached of an unsafe method", "POST", "/both", []string{"Cache-Control: only-if-cached", "Content-Length: 0"}, asked, ""},
		{"9111-3.5 Authorization", "GET", "/both", []string{"Authorization: Basic eDp5"}, asked, ""},
		{"9111-3.5 empty Authorization", "GET", "/both", []string{"Authorization:"}, asked, ""},
		{"9110-9.3.2 HEAD", "HEAD", "/both", nil, 200, ""},
		{"9110-9.1 methods in lower case are others", "get", "/both", nil, asked, ""},
		{"9111-5.2 several lines", "GET", "/aged", []string{"Cache-Control: foo", "Cache-Control: ,max-age=1"}, asked, ""},
	}
}

func TestClausesOfRequests(t *testing.T) {
	answers := map[string][]string{}
	stored := storedForClauses()
	rows := requestClauses()
	for i, row := range rows {
		answers[fmt.Sprintf("/%d", i)] = []string{message(stored[row.path]...), message("Cache-Control: no-store", "| new")}
	}
	origin := startWireOrigin(t, answers)
	s := startSite(t, origin.addr, siteConfig{})
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			path, before := fmt.Sprintf("/%d", i), 0
			var date string
			if stored[row.path] != nil {
				first, _ := s.exchangeRaw("GET", path)
				date, before = first.Header.Get("Last-Modified"), 1
			}
			var fields []string
			for _, f := range row.fields {
				fields = append(fields, strings.Replace(f, "$date", date, 1))
			}
			answer, body := s.exchangeRaw(row.method, path, fields...)
			requests := len(origin.asked(path)) - before
			t.Logf("%d %v %q", answer.StatusCode, answer.Header, body)
			switch {
			case row.status == asked && requests == 0:
				t.Errorf("the origin was not asked: %d %s", answer.StatusCode, answer.Header["Cache-Status"])
			case row.status != asked && (requests != 0 || answer.StatusCode != row.status || body != row.body):
				t.Errorf("%d %q, want %d %q; %d requests to the origin (%s)", answer.StatusCode, body, row.status, row.body, requests, answer.Header["Cache-Status"])
			case answer.StatusCode == http.StatusRequestedRangeNotSatisfiable && !strings.HasPrefix(answer.Header.Get("Content-Range"), "bytes */"):
				t.Errorf("Content-Range of 416: %q", answer.Header["Content-Range"])
			}
		})
	}
}

// RFC 9110 §4.2.3, RFC 9112 §3.2.2: spellings of one target are one for the cache, so that
// an unsafe method invalidates what is stored for any of them (RFC 9111 §4.4).
func TestClausesOfTargets(t *testing.T) {
	origin := startWireOrigin(t, map[string][]string{"/": {message("Cache-Control: max-age=600")}})
	s := startSite(t, origin.addr, siteConfig{})
	for _, target := range []string{
		"/ HTTP/1.1\r\nHost: site.test", "/ HTTP/1.0\r\nHost: SITE.test:80", "/ HTTP/1.1\r\nHost: site.test:",
		"http://site.test HTTP/1.1\r\nHost: other.test", "HTTP://Site.Test:80/ HTTP/1.1\r\nHost: other.test",
	} {
		s.speak("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
		before := len(origin.asked("/"))
		if got := s.speak("GET " + target + "\r\n\r\n"); got != "200 hello" || len(origin.asked("/")) != before {
			t.Errorf("GET %q: %q, %d requests to the origin", target, got, len(origin.asked("/"))-before)
		}
		s.speak("POST " + target + "\r\nContent-Length: 0\r\n\r\n")
		s.speak("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
		if got := len(origin.asked("/")) - before; got != 2 {
			t.Errorf("POST %q: %d requests to the origin, want that and a new GET", target, got)
		}
	}
}
