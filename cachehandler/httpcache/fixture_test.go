package httpcache

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// now is when everything in these tests happens, unless a row says otherwise.
var now = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// date is an IMF-fixdate that many seconds after now.
func date(after int) string {
	return now.Add(time.Duration(after) * time.Second).Format(http.TimeFormat)
}

// header makes a header of lines like "Name: value", separated by newlines.
func header(lines string) http.Header {
	h := http.Header{}
	for line := range strings.SplitSeq(lines, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return h
}

// get is a GET that was answered at once with the status and the header.
func get(status int, response string) *Exchange {
	return &Exchange{
		Method: http.MethodGet, RequestHeader: http.Header{},
		Status: status, Header: header(response),
		RequestTime: now, ResponseTime: now,
	}
}

// getWith is get with a request header.
func getWith(request string, status int, response string) *Exchange {
	x := get(status, response)
	x.RequestHeader = header(request)
	return x
}

// mustStore stores a 200 with the header under the zero policy.
func mustStore(t testing.TB, response string) *Stored {
	t.Helper()
	return mustStoreAs(t, get(http.StatusOK, response), &Policy{})
}

func mustStoreAs(t testing.TB, x *Exchange, p *Policy) *Stored {
	t.Helper()
	s, why := Store(x, p)
	if s == nil {
		t.Fatalf("Store(%d %v) refused: %v", x.Status, x.Header, why)
	}
	return s
}
