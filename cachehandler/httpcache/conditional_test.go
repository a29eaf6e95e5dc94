package httpcache

import (
	"net/http"
	"testing"
)

func TestPrecondition(t *testing.T) {
	const etag = "Etag: \"a\"\n"
	modified := "Last-Modified: " + date(-100) + "\n"
	tests := []struct {
		name              string
		status            int
		response, request string
		want              int
	}{
		{"9110-13 none", 200, etag, "", 200},

		{"9110-13.1.2 match", 200, etag, `If-None-Match: "a"`, 304},
		{"9110-13.1.2 no match", 200, etag, `If-None-Match: "b"`, 200},
		{"9110-13.1.2 first of a list", 200, etag, `If-None-Match: "a", "b", "c"`, 304},
		{"9110-13.1.2 middle of a list", 200, etag, `If-None-Match: "b","a" , "c"`, 304},
		{"9110-13.1.2 last of a list", 200, etag, `If-None-Match: "b", W/"c", "a"`, 304},
		{"9110-13.1.2 in another line", 200, etag, "If-None-Match: \"b\"\nIf-None-Match: \"a\"", 304},
		{"9110-13.1.2 weak comparison, request", 200, etag, `If-None-Match: W/"a"`, 304},
		{"9110-13.1.2 weak comparison, stored", 200, "Etag: W/\"a\"", `If-None-Match: "a"`, 304},
		{"9110-13.1.2 weak comparison, both", 200, "Etag: W/\"a\"", `If-None-Match: W/"a"`, 304},
		{"9110-13.1.2 *", 200, etag, `If-None-Match: *`, 304},
		{"9110-13.1.2 * without a tag", 200, "", `If-None-Match: *`, 304},
		{"9110-13.1.2 without a tag", 200, modified, `If-None-Match: "a"`, 200},
		{"9110-8.8.3 comma in a tag", 200, "Etag: \"a,b\"", `If-None-Match: "x", "a,b"`, 304},
		{"9110-8.8.3 a part of a tag is none", 200, etag, `If-None-Match: "x,"a""`, 200},
		{"9110-8.8.3 obs-text", 200, "Etag: \"\u00fc\"", "If-None-Match: \"\u00fc\"", 304},
		{"9110-8.8.3 unquoted is none", 200, etag, `If-None-Match: a`, 200},
		{"9110-8.8.3 unquoted is known to who sent it", 200, "Etag: a", `If-None-Match: a`, 304},
		{"9110-8.8.3 unquoted, another", 200, "Etag: a", `If-None-Match: b`, 200},
		{"9110-8.8.3 unquoted, in a list", 200, "Etag: a", `If-None-Match: b, a`, 200},
		{"9110-8.8.3 unquoted, quoted by the client", 200, "Etag: a", `If-None-Match: "a"`, 200},
		{"9110-8.8.3 unquoted, one of two", 200, "Etag: a\nEtag: b", `If-None-Match: a`, 200},
		{"9110-8.8.3 quoted, one of two", 200, "Etag: \"a\"\nEtag: \"b\"", `If-None-Match: "a"`, 200},
		{"9110-8.8.3 empty", 200, "Etag: ", `If-None-Match: `, 200},
		{"9110-8.8.3 unquoted does not hide the next", 200, etag, `If-None-Match: x, "a"`, 304},
		{"9110-8.8.3 lower-case w is none", 200, etag, `If-None-Match: w/"a"`, 200},
		{"9110-8.8.3 more behind the tag", 200, etag, `If-None-Match: "a"b`, 200},
		{"9110-8.8.3 space in a tag", 200, etag, `If-None-Match: "a b", "a"`, 304},
		{"9110-8.8.3 not closed", 200, etag, `If-None-Match: "a`, 200},
		{"9110-8.8.3 * in a list is none", 200, etag, `If-None-Match: "b", *`, 200},
		{"9110-13.1.2 case of a tag", 200, etag, `If-None-Match: "A"`, 200},

		{"9110-13.1.3 same date", 200, modified, "If-Modified-Since: " + date(-100), 304},
		{"9110-13.1.3 later", 200, modified, "If-Modified-Since: " + date(-50), 304},
		{"9110-13.1.3 earlier", 200, modified, "If-Modified-Since: " + date(-101), 200},
		{"9110-13.1.3 rfc850-date", 200, modified, "If-Modified-Since: " + now.Add(-100e9).Format("Monday, 02-Jan-06 15:04:05 GMT"), 304},
		{"9110-13.1.3 asctime-date", 200, modified, "If-Modified-Since: " + now.Add(-100e9).Format("Mon Jan _2 15:04:05 2006"), 304},
		{"9110-13.1.3 in the future", 200, modified, "If-Modified-Since: " + date(99999), 304},
		{"9110-13.1.3 of another zone", 200, modified, "If-Modified-Since: " + now.Format("Mon, 02 Jan 2006 15:04:05 +0000"), 200},
		{"9110-13.1.3 not a date", 200, modified, "If-Modified-Since: 0", 200},
		{"9110-13.1.3 two", 200, modified, "If-Modified-Since: " + date(0) + "\nIf-Modified-Since: " + date(0), 200},
		{"9111-4.3.2 no Last-Modified: Date", 200, "Date: " + date(-10), "If-Modified-Since: " + date(-10), 304},
		{"9111-4.3.2 no Last-Modified: Date is later", 200, "Date: " + date(-10), "If-Modified-Since: " + date(-11), 200},
		{"9111-4.3.2 neither: when it came", 200, "", "If-Modified-Since: " + date(0), 304},
		{"9111-4.3.2 neither: it came later", 200, "", "If-Modified-Since: " + date(-1), 200},

		{"9110-13.2.2 tag before date, match", 200, etag + modified, "If-None-Match: \"a\"\nIf-Modified-Since: " + date(-200), 304},
		{"9110-13.2.2 tag before date, no match", 200, etag + modified, "If-None-Match: \"b\"\nIf-Modified-Since: " + date(0), 200},

		{"9110-13.1.1 match", 200, etag, `If-Match: "b", "a"`, 200},
		{"9110-13.1.1 no match", 200, etag, `If-Match: "b"`, 412},
		{"9110-13.1.1 strong comparison, request", 200, etag, `If-Match: W/"a"`, 412},
		{"9110-13.1.1 strong comparison, both weak", 200, "Etag: W/\"a\"", `If-Match: W/"a"`, 412},
		{"9110-13.1.1 *", 200, "", `If-Match: *`, 200},
		{"9110-13.1.4 not modified since", 200, modified, "If-Unmodified-Since: " + date(-100), 200},
		{"9110-13.1.4 modified since", 200, modified, "If-Unmodified-Since: " + date(-101), 412},
		{"9110-13.1.4 not a date", 200, modified, "If-Unmodified-Since: x", 200},
		{"9110-13.1.4 two dates", 200, modified, "If-Unmodified-Since: " + date(-101) + "\nIf-Unmodified-Since: " + date(-101), 200},
		{"9110-13.1.4 no date of modification", 200, "", "If-Unmodified-Since: " + date(-101), 200},
		{"9110-13.2.2 If-Match before If-Unmodified-Since", 200, etag + modified, "If-Match: \"a\"\nIf-Unmodified-Since: " + date(-200), 200},
		{"9110-13.2.2 If-Match before If-None-Match", 200, etag, "If-Match: \"b\"\nIf-None-Match: \"a\"", 412},
		{"9110-13.2.2 both true", 200, etag, "If-Match: \"a\"\nIf-None-Match: \"a\"", 304},

		{"9110-13.2.1 another success", 203, etag, `If-None-Match: "a"`, 304},
		{"9110-13.2.1 not for a 404", 404, etag, `If-None-Match: "a"`, 200},
		{"9110-13.2.1 not for a redirect", 301, etag, "If-Match: \"b\"\nIf-Modified-Since: " + date(0), 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStoreAs(t, get(tt.status, fresh+tt.response), &Policy{})
			if got := Precondition(s, header(tt.request)); got != tt.want {
				t.Errorf("Precondition = %d, want %d", got, tt.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	const client = "If-None-Match: \"client\"\nIf-Modified-Since: x\nRange: bytes=0-1\nIf-Range: \"client\"\nFoo: 1"
	modified := now.Add(-100e9).Format("Monday, 02-Jan-06 15:04:05 GMT")
	tests := []struct {
		name, response string
		want           string
		ok             bool
	}{
		{"9111-4.3.1 tag", "Etag: \"a\"", "Foo: 1\nIf-None-Match: \"a\"", true},
		{"9111-4.3.1 weak tag", "Etag: W/\"a\"", "Foo: 1\nIf-None-Match: W/\"a\"", true},
		{"9111-4.3.1 date, as it was spelled", "Last-Modified: " + modified, "Foo: 1\nIf-Modified-Since: " + modified, true},
		{"9111-4.3.1 both", "Etag: \"a\"\nLast-Modified: " + date(-5), "Foo: 1\nIf-None-Match: \"a\"\nIf-Modified-Since: " + date(-5), true},
		{"9111-4.3.1 neither", "", client, false},
		{"9110-8.8.3 a tag that is none", "Etag: a", client, false},
		{"9110-8.8.3 two tags", "Etag: \"a\"\nEtag: \"b\"", client, false},
		{"9110-8.8.3 the same tag twice", "Etag: \"a\"\nEtag: \"a\"", "Foo: 1\nIf-None-Match: \"a\"", true},
		{"9110-8.8.2 a date that is none", "Last-Modified: 5", client, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := header(client)
			ok := mustStore(t, fresh+tt.response).Validate(request)
			if want := header(tt.want); ok != tt.ok || !equalHeaders(request, want) {
				t.Errorf("Validate = %v, request %v; want %v, %v", ok, request, tt.ok, want)
			}
		})
	}
}

func TestValidateKeepsTheOriginsPreconditions(t *testing.T) {
	request := header("If-Match: \"x\"\nIf-Unmodified-Since: " + date(0))
	mustStore(t, fresh+"Etag: \"a\"").Validate(request)
	if request.Get("If-Match") == "" || request.Get("If-Unmodified-Since") == "" {
		t.Errorf("9111-4.3.2 they are the origin's to evaluate: %v", request)
	}
}

func TestIfRange(t *testing.T) {
	tests := []struct {
		name, response, ifRange string
		want                    bool
	}{
		{"9110-13.1.5 strong tag", "Etag: \"a\"", `"a"`, true},
		{"9110-13.1.5 another tag", "Etag: \"a\"", `"b"`, false},
		{"9110-13.1.5 weak tag", "Etag: W/\"a\"", `W/"a"`, false},
		{"9110-13.1.5 weak and strong", "Etag: \"a\"", `W/"a"`, false},
		{"9110-13.1.5 a list is no tag", "Etag: \"a\"", `"a", "b"`, false},
		{"9110-13.1.5 * is no tag", "Etag: \"a\"", `*`, false},
		{"9110-13.1.5 no tag stored", "", `"a"`, false},
		{"9110-13.1.5 date", "Last-Modified: " + date(-10), date(-10), true},
		{"9110-13.1.5 later date", "Last-Modified: " + date(-10), date(-9), false},
		{"9110-13.1.5 date, none stored", "Date: " + date(-10), date(-10), false},
		{"9110-8.8.2.2 modified in the second it was sent", "Last-Modified: " + date(0) + "\nDate: " + date(0), date(0), false},
		{"9110-8.8.2.2 modified a second before", "Last-Modified: " + date(-1) + "\nDate: " + date(0), date(-1), true},
		{"9110-13.1.5 neither", "Etag: \"a\"", `a`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStore(t, fresh+tt.response)
			request := header("Range: bytes=0-1\nIf-Range: " + tt.ifRange)
			want := http.StatusOK
			if tt.want {
				want = http.StatusPartialContent
			}
			if _, got := Ranges(s, request, 10); got != want {
				t.Errorf("Ranges: %d, want %d", got, want)
			}
			if _, _, ok := FirstByte(s, request); ok != tt.want {
				t.Errorf("FirstByte: %v, want %v", ok, tt.want)
			}
			request.Add("If-Range", tt.ifRange)
			if _, got := Ranges(s, request, 10); got != http.StatusOK {
				t.Errorf("with two If-Range: %d, want 200", got)
			}
		})
	}
}
