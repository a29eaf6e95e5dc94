package portico_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// Clauses of RFC 9111, 9110 and 9112 with input as odd as their grammars and their
// sentences on error handling allow, over bare connections on both sides: no
// library tidies up what is sent. docs/clauses.md names the rows.

// message is a 200 with lines of a header and a body, as an origin writes it that
// closes the connection. A line that is a status goes in the place of 200, and "|" is
// before a body, which has a Content-Length unless a line says that it has none.
func message(lines ...string) string {
	const noLength = "no Content-Length"
	status, body := "HTTP/1.1 200 OK", "hello"
	var b strings.Builder
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "HTTP/"):
			status = line
		case strings.HasPrefix(line, "| "):
			body = line[2:]
		case line != noLength:
			b.WriteString(line + "\r\n")
		}
	}
	if !slices.Contains(lines, noLength) {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return status + "\r\nConnection: close\r\n" + b.String() + "\r\n" + body
}

// The three forms of a date (RFC 9110 §5.6.7).
func imf(d time.Duration) string {
	return time.Now().Add(d).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}

func rfc850(d time.Duration) string {
	return time.Now().Add(d).UTC().Format("Monday, 02-Jan-06 15:04:05 GMT")
}

func asctime(d time.Duration) string {
	return time.Now().Add(d).UTC().Format("Mon Jan _2 15:04:05 2006")
}

// exchangeRaw sends a request and returns the answer to it.
func (s *site) exchangeRaw(method, path string, fields ...string) (*http.Response, string) {
	s.t.Helper()
	conn := s.dial(method + " " + path + " HTTP/1.1\r\nHost: site.test\r\n" + strings.Join(append(fields, "Connection: close"), "\r\n") + "\r\n\r\n")
	defer conn.Close()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
	}
	return response, string(body)
}

// What becomes of a response: hit is reuse without asking, valid is reuse after
// validation, miss is that it is not used again.
const (
	reused    = "hit"
	validated = "valid"
	notReused = "miss"
)

type responseClause struct {
	name  string
	lines []string
	want  string
}

func responseClauses() []responseClause {
	return []responseClause{
		{"9111-5.2 quoted argument", []string{`Cache-Control: max-age="60"`}, reused},
		{"9111-5.2 upper case", []string{`CACHE-CONTROL: MAX-AGE=60`}, reused},
		{"9111-5.2 empty elements", []string{`Cache-Control: ,, max-age=60 , ,`}, reused},
		{"9111-5.2 tabs", []string{"Cache-Control:\tmax-age=60\t,\tpublic\t"}, reused},
		{"9111-5.2 two lines", []string{`Cache-Control: public`, `Cache-Control: max-age=60`}, reused},
		{"9111-5.2 two lines, the second forbids", []string{`Cache-Control: max-age=60`, `cache-control: No-Store`}, notReused},
		{"9111-5.2 no-store in quotes of another directive", []string{`Cache-Control: x="no-store", max-age=60`}, reused},
		{"9111-5.2 escaped quote", []string{`Cache-Control: x="\", no-store, \"", max-age=60`}, reused},
		{"9111-5.2 unclosed quote", []string{`Cache-Control: x="y, max-age=60`}, notReused},
		{"9111-5.2 no-store with argument", []string{`Cache-Control: no-store=1, max-age=60`}, notReused},
		{"9111-5.2 semicolon", []string{`Cache-Control: no-store; max-age=60`}, notReused},
		{"9111-5.2.3 unknown", []string{`Cache-Control: foo, bar=1, baz="2", max-age=60`}, reused},
		{"9111-5.2.3 prefix of a known one", []string{`Cache-Control: no-stored, privates, max-age=60`}, reused},
		{"9111-1.2.2 2^31", []string{`Cache-Control: max-age=2147483648`}, reused},
		{"9111-1.2.2 2^64+", []string{`Cache-Control: max-age=18446744073709551617`}, reused},
		{"9111-1.2.2 leading zeros", []string{`Cache-Control: max-age=0000000000000000000060`}, reused},
		{"9111-4.2.1 negative", []string{`Cache-Control: max-age=-60`}, notReused},
		{"9111-4.2.1 plus", []string{`Cache-Control: max-age=+60`}, notReused},
		{"9111-4.2.1 fraction", []string{`Cache-Control: max-age=60.5`}, notReused},
		{"9111-4.2.1 unit", []string{`Cache-Control: max-age=60s`}, notReused},
		{"9111-4.2.1 none", []string{`Cache-Control: max-age`}, notReused},
		{"9111-4.2.1 empty", []string{`Cache-Control: max-age=`}, notReused},
		{"9111-4.2.1 empty in quotes", []string{`Cache-Control: max-age=""`}, notReused},
		{"9111-4.2.1 space before =", []string{`Cache-Control: max-age =60`}, notReused},
		{"9111-4.2.1 space after =", []string{`Cache-Control: max-age= 60`}, notReused},
		{"9111-4.2.1 first is long", []string{`Cache-Control: max-age=60, max-age=0`}, reused},
		{"9111-4.2.1 first is short", []string{`Cache-Control: max-age=0, max-age=60`}, notReused},
		{"9111-4.2.1 s-maxage first", []string{`Cache-Control: max-age=60, s-maxage=0`}, notReused},
		{"9111-4.2.1 s-maxage over all", []string{`Cache-Control: s-maxage=60, max-age=0`, "Expires: 0"}, reused},
		{"9111-4.2.1 invalid s-maxage", []string{`Cache-Control: s-maxage=x, max-age=60`}, notReused},
		{"9111-4.2.1 no-cache beside max-age", []string{`Cache-Control: max-age=60, no-cache`, `ETag: "v"`}, validated},
		{"9111-5.3 Expires", []string{"Expires: " + imf(time.Minute)}, reused},
		{"9111-5.3 rfc850", []string{"Expires: " + rfc850(time.Minute)}, reused},
		{"9111-5.3 asctime", []string{"Expires: " + asctime(time.Minute)}, reused},
		{"9111-4.2 lower case", []string{"Expires: " + strings.ToLower(imf(time.Minute))}, reused},
		{"9111-4.2 upper case", []string{"Expires: " + strings.ToUpper(rfc850(time.Minute))}, reused},
		{"9111-4.2 another zone", []string{"Expires: " + strings.Replace(imf(time.Hour), "GMT", "UTC", 1)}, notReused},
		{"9111-4.2 offset", []string{"Expires: " + strings.Replace(imf(time.Hour), "GMT", "+0000", 1)}, notReused},
		{"9110-5.6.7 49 years ahead", []string{"Expires: " + rfc850(49*365*24*time.Hour)}, reused},
		{"9110-5.6.7 51 years ahead is past", []string{"Expires: " + rfc850(52*366*24*time.Hour)}, notReused},
		{"9111-5.3 zero", []string{"Expires: 0"}, notReused},
		{"9111-5.3 minus one", []string{"Expires: -1"}, notReused},
		{"9111-5.3 empty", []string{"Expires: "}, notReused},
		{"9111-5.3 30 February", []string{"Expires: Fri, 30 Feb 2040 00:00:00 GMT"}, notReused},
		{"9111-5.3 single digits", []string{"Expires: Fri, 1 Jan 2040 0:00:00 GMT"}, notReused},
		{"9111-5.3 no heuristics beside it", []string{"Expires: 0", "Last-Modified: " + imf(-1000*time.Hour)}, validated},
		{"9111-4.2.1 two Expires", []string{"Expires: " + imf(time.Minute), "Expires: 0"}, reused},
		{"9111-4.2.1 two Expires, the first past", []string{"Expires: 0", "Expires: " + imf(time.Minute)}, notReused},
		{"9111-5.3 max-age before Expires", []string{"Cache-Control: max-age=0", "Expires: " + imf(time.Minute)}, notReused},
		{"9111-4.2.1 Expires against Date", []string{"Date: " + imf(-time.Hour), "Expires: " + imf(-time.Minute)}, notReused},
		{"9111-4.2.1 a clock ahead", []string{"Date: " + imf(time.Hour), "Expires: " + imf(2*time.Hour)}, reused},
		{"9111-4.2.1 a clock ahead, expired", []string{"Date: " + imf(time.Hour), "Expires: " + imf(time.Minute)}, notReused},
		{"9111-4.2.3 Date in the past", []string{"Date: " + imf(-time.Hour), "Cache-Control: max-age=600"}, notReused},
		{"9110-6.6.1 invalid Date", []string{"Date: yesterday", "Cache-Control: max-age=600"}, reused},
		{"9110-6.6.1 asctime Date", []string{"Date: " + asctime(-time.Hour), "Cache-Control: max-age=600"}, notReused},
		{"9111-5.1 Age", []string{"Age: 60", "Cache-Control: max-age=60"}, notReused},
		{"9111-5.1 younger Age", []string{"Age: 50", "Cache-Control: max-age=60"}, reused},
		{"9111-5.1 huge Age", []string{"Age: 99999999999999999999", "Cache-Control: max-age=60"}, notReused},
		{"9111-1.2.2 both infinite", []string{"Age: 99999999999999999999", "Cache-Control: max-age=99999999999999999999"}, notReused},
		{"9111-5.1 negative Age", []string{"Age: -100", "Cache-Control: max-age=60"}, reused},
		{"9111-5.1 fraction", []string{"Age: 70.5", "Cache-Control: max-age=60"}, reused},
		{"9111-5.1 list", []string{"Age: 100, 0", "Cache-Control: max-age=60"}, notReused},
		{"9111-5.1 list, young first", []string{"Age: 0, 100", "Cache-Control: max-age=60"}, reused},
		{"9111-5.1 two lines", []string{"Age: 100", "Age: 0", "Cache-Control: max-age=60"}, notReused},
		{"9111-4.2.2 heuristic", []string{"Last-Modified: " + imf(-100*time.Hour)}, reused},
		{"9111-4.2.2 rfc850", []string{"Last-Modified: " + rfc850(-100*time.Hour)}, reused},
		{"9111-4.2.2 Last-Modified in the future", []string{"Last-Modified: " + imf(100*time.Hour)}, validated},
		{"9111-4.2.2 public", []string{"HTTP/1.1 302 Found", "Location: /x", "Cache-Control: public", "Last-Modified: " + imf(-100*time.Hour)}, reused},
		{"9111-3 public alone", []string{"Cache-Control: public", `ETag: "v"`}, validated},
		{"9111-5.2.2.2 must-revalidate, fresh", []string{"Cache-Control: max-age=60, must-revalidate"}, reused},
		{"9111-5.2.2.2 must-revalidate, stale", []string{"Cache-Control: max-age=0, must-revalidate", `ETag: "v"`}, validated},
		{"9111-5.2.2.3 must-understand", []string{"Cache-Control: no-store, must-understand, max-age=60"}, reused},
		{"9111-5.2.2.3 must-understand, unknown status", []string{"HTTP/1.1 299 Odd", "Cache-Control: no-store, must-understand, max-age=60"}, notReused},
		{"9111-5.2.2.3 unknown status alone", []string{"HTTP/1.1 299 Odd", "Cache-Control: must-understand, max-age=60"}, notReused},
		{"9111-3 unknown status", []string{"HTTP/1.1 299 Odd", "Cache-Control: max-age=60"}, reused},
		{"9111-3 another", []string{"HTTP/1.1 599 Odd", "Cache-Control: max-age=60"}, reused},
		{"9111-3 unknown and no lifetime", []string{"HTTP/1.1 299 Odd", "Last-Modified: " + imf(-100*time.Hour)}, notReused},
		{"9111-5.2.2.4 no-cache", []string{"Cache-Control: no-cache", `ETag: "v"`}, validated},
		{"9111-5.2.2.4 qualified", []string{`Cache-Control: no-cache="X-A", max-age=60`, "X-A: 1"}, reused},
		{"9111-5.2.2.4 qualified by a token", []string{`Cache-Control: no-cache=x-a, max-age=60`, "X-A: 1"}, reused},
		{"9111-5.2.2.4 both", []string{`Cache-Control: no-cache="X-A", no-cache, max-age=60`, `ETag: "v"`}, validated},
		{"9111-5.2.2.4 empty list", []string{`Cache-Control: no-cache="", max-age=60`, `ETag: "v"`}, validated},
		{"9111-5.2.2.7 private", []string{"Cache-Control: private, max-age=60"}, notReused},
		{"9111-5.2.2.7 beside public", []string{"Cache-Control: public, private, max-age=60"}, notReused},
		{"9111-5.2.2.7 qualified", []string{`Cache-Control: private="X-A, X-B", max-age=60`, "X-A: 1"}, reused},
		{"9111-5.2.2.7 both", []string{`Cache-Control: private="X-A", max-age=60, private`}, notReused},
		{"9111-5.2.2.7 unclosed", []string{`Cache-Control: max-age=60, private="X-A`}, notReused},
		{"9111-5.2.2.8 proxy-revalidate, stale", []string{"Cache-Control: max-age=0, proxy-revalidate", `ETag: "v"`}, validated},
		{"9111-5.4 Pragma in responses means nothing", []string{"Pragma: no-cache", "Cache-Control: max-age=60"}, reused},
		{"9111-4.1 empty Vary", []string{"Vary: ", "Cache-Control: max-age=60"}, reused},
		{"9111-4.1 commas", []string{"Vary: ,,", "Cache-Control: max-age=60"}, reused},
		{"9111-4.1 star", []string{"Vary: *", "Cache-Control: max-age=60"}, notReused},
		{"9111-4.1 star in a list", []string{"Vary: X-A, *", "Cache-Control: max-age=60"}, notReused},
		{"9111-4.1 star on its own line", []string{"Vary: X-A", "Vary: *", "Cache-Control: max-age=60"}, notReused},
		{"9111-4.1 no name", []string{"Vary: X A", "Cache-Control: max-age=60"}, notReused},
		{"9111-4.1 absent in both", []string{"Vary: x-odd", "Cache-Control: max-age=60"}, reused},
		{"9110-8.8.3 unquoted tag is none", []string{"Cache-Control: no-cache", "ETag: v"}, notReused},
		{"9110-8.8.3 lower-case w/ is none", []string{"Cache-Control: no-cache", `ETag: w/"v"`}, notReused},
		{"9110-8.8.3 weak", []string{"Cache-Control: no-cache", `ETag: W/"v"`}, validated},
		{"9110-8.8.3 empty tag", []string{"Cache-Control: no-cache", `ETag: ""`}, validated},
		{"9110-8.8.3 obs-text", []string{"Cache-Control: no-cache", "ETag: \"\xe4\""}, validated},
		{"9110-8.8.3 space in a tag", []string{"Cache-Control: no-cache", `ETag: "a b"`}, notReused},
		{"9110-8.8.3 text behind a tag", []string{"Cache-Control: no-cache", `ETag: "a"b`}, notReused},
		{"9110-8.8.3 single quotes", []string{"Cache-Control: no-cache", `ETag: 'v'`}, notReused},
		{"9112-8 ended by the connection", []string{"no Content-Length", "Cache-Control: max-age=60"}, reused},
		{"9112-8 HTTP/1.0, ended by the connection", []string{"HTTP/1.0 200 OK", "no Content-Length", "Expires: " + imf(time.Minute)}, reused},
		{"9112-7.1 in chunks", []string{"no Content-Length", "Transfer-Encoding: chunked", "Cache-Control: max-age=60", "| 5\r\nhello\r\n0\r\n\r\n"}, reused},
		{"9112-2.3 HTTP/1.0", []string{"HTTP/1.0 200 OK", "Expires: " + imf(time.Minute)}, reused},
		{"9110-15.3.7 206 unasked", []string{"HTTP/1.1 206 Partial Content", "Content-Range: bytes 0-4/10", "Cache-Control: max-age=60"}, notReused},
		{"9110-15.3.7 206 unasked, all of it", []string{"HTTP/1.1 206 Partial Content", "Content-Range: bytes 0-4/5", "Cache-Control: max-age=60"}, notReused},
		{"9110-14.4 Content-Range in 200 means nothing", []string{"Content-Range: bytes 2-6/10", "Cache-Control: max-age=60"}, reused},
		{"9111-3 Set-Cookie", []string{"Set-Cookie: a=b", "Cache-Control: max-age=60"}, notReused},
	}
}

func TestClausesOfResponses(t *testing.T) {
	answers := map[string][]string{}
	rows := responseClauses()
	for i, row := range rows {
		path := fmt.Sprintf("/%d", i)
		answers[path] = []string{message(row.lines...), "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n"}
		if row.want == notReused {
			answers[path] = []string{message(row.lines...), message("X-Second: yes", "Cache-Control: no-store")}
		}
	}
	origin := startWireOrigin(t, answers)
	s := startSite(t, origin.addr, siteConfig{})
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			path := fmt.Sprintf("/%d", i)
			first, body := s.exchangeRaw("GET", path)
			if body != "hello" {
				t.Errorf("the first answer is %d %q", first.StatusCode, body)
			}
			second, body := s.exchangeRaw("GET", path)
			got := reused
			if n := origin.asked(path); len(n) > 1 {
				got = notReused
				if n[1].Header["If-None-Match"] != nil || n[1].Header["If-Modified-Since"] != nil {
					got = validated
				}
			}
			if got != row.want || body != "hello" {
				t.Errorf("%s (%s), want %s; body %q\n%s", got, second.Header["Cache-Status"], row.want, body, strings.Join(row.lines, "\n"))
			}
		})
	}
}

// Every final status, with a validator and a date that a lifetime could be
// estimated of, and with an explicit lifetime (RFC 9110 §15, RFC 9111 §3, §4.2.2).
func TestClausesOfStatuses(t *testing.T) {
	answers := map[string][]string{}
	old := "Last-Modified: " + imf(-100*time.Hour)
	for status := 200; status < 600; status++ {
		line := fmt.Sprintf("HTTP/1.1 %d Odd", status)
		text := "| hello"
		if status == 204 || status == 205 || status == 304 {
			text = "| "
		}
		answers[fmt.Sprintf("/heuristic/%d", status)] = []string{message(line, old, text)}
		answers[fmt.Sprintf("/explicit/%d", status)] = []string{message(line, "Cache-Control: max-age=60", text)}
		answers[fmt.Sprintf("/understood/%d", status)] = []string{message(line, "Cache-Control: max-age=60, no-store, must-understand", text)}
	}
	origin := startWireOrigin(t, answers)
	s := startSite(t, origin.addr, siteConfig{})
	// RFC 9110 §15.1, and 451 of RFC 7725 §3. A 206 that was not asked for is not stored.
	heuristic := "200 203 204 300 301 308 404 405 410 414 451 501"
	// About one request, or forbidden by RFC 3229 and RFC 6585 (docs/how-it-decides.md).
	never := "206 226 304 406 407 408 411 412 413 415 416 417 425 426 428 429 431 511"
	for status := 200; status < 600; status++ {
		number := fmt.Sprint(status)
		understood := status <= 205 || status >= 300 && status <= 303 || status == 305 || status == 307 || status == 308 ||
			status >= 400 && status <= 417 || status == 421 || status == 422 || status >= 500 && status <= 505
		for kind, want := range map[string]bool{
			"heuristic": strings.Contains(heuristic, number), "explicit": !strings.Contains(never, number),
			"understood": understood && !strings.Contains(never, number),
		} {
			path := "/" + kind + "/" + number
			for range 2 {
				if answer, _ := s.exchangeRaw("GET", path); answer.StatusCode != status {
					t.Errorf("%s: %d", path, answer.StatusCode)
				}
			}
			if got := len(origin.asked(path)) == 1; got != want {
				t.Errorf("%s: reused %t, want %t", path, got, want)
			}
		}
	}
}
