package httpcache

import (
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"
)

// notModified is a 304 that came a minute after now.
func notModified(response string) *Exchange {
	x := get(http.StatusNotModified, response)
	x.RequestTime = now.Add(time.Minute)
	x.ResponseTime = x.RequestTime
	return x
}

func TestFreshenSelects(t *testing.T) {
	modified := "Last-Modified: " + date(-100) + "\n"
	other := "Last-Modified: " + date(-50) + "\n"
	tests := []struct {
		name, stored, response string
		want                   bool
	}{
		{"9111-4.3.4 same strong tag", "Etag: \"a\"", "Etag: \"a\"", true},
		{"9111-4.3.4 another strong tag", "Etag: \"a\"", "Etag: \"b\"", false},
		{"9111-4.3.4 strong tag, stored weak", "Etag: W/\"a\"", "Etag: \"a\"", false},
		{"9111-4.3.4 strong tag, stored weak, same strong date", "Etag: W/\"a\"\n" + modified, "Etag: \"a\"\n" + modified, true},
		{"9111-4.3.4 strong tag, stored weak, another date", "Etag: W/\"a\"\n" + modified, "Etag: \"a\"\n" + other, false},
		{"9111-4.3.4 another strong tag, stored weak, same strong date", "Etag: W/\"a\"\n" + modified, "Etag: \"b\"\n" + modified, false},
		{"9110-8.8.2.2 strong tag, stored weak, same weak date", "Etag: W/\"a\"\nLast-Modified: " + date(0), "Etag: \"a\"\nLast-Modified: " + date(0), false},
		{"9111-4.3.4 same weak tag", "Etag: W/\"a\"", "Etag: W/\"a\"", true},
		{"9111-4.3.4 weak tag, stored strong", "Etag: \"a\"", "Etag: W/\"a\"", true},
		{"9111-4.3.4 another weak tag", "Etag: W/\"a\"", "Etag: W/\"b\"", false},
		{"9111-4.3.4 same tag, another date", "Etag: \"a\"\n" + modified, "Etag: \"a\"\n" + other, true},
		{"9111-4.3.4 another tag, same date", "Etag: \"a\"\n" + modified, "Etag: \"b\"\n" + modified, false},
		{"9111-4.3.4 same date", modified, modified, true},
		{"9111-4.3.4 another date", modified, other, false},
		{"9111-4.3.4 another date, stored with a tag", "Etag: \"a\"\n" + modified, other, false},
		{"9111-4.3.4 new tag, same date", modified, "Etag: \"a\"\n" + modified, true},
		{"9111-4.3.4 new tag, no date", modified, "Etag: \"a\"", false},
		{"9111-4.3.4 no validator: it answers the condition that was sent", "Etag: \"a\"", "", true},
		{"9111-4.3.4 no validator, date", modified, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStore(t, fresh+tt.stored)
			got, why, ok := Freshen(s, notModified(tt.response), &Policy{})
			if ok != tt.want || (got != nil) != tt.want {
				t.Errorf("Freshen = %v, %v, %v; want %v", got != nil, why, ok, tt.want)
			}
			if !ok && why != OtherValidator {
				t.Errorf("why = %v, want %v", why, OtherValidator)
			}
		})
	}
}

func TestFreshenUpdatesFields(t *testing.T) {
	tests := []struct {
		name, stored, response string
		want                   string // besides Cache-Control, Date and Etag
	}{
		{"9111-3.2 replaced", "X-Foo: 1", "X-Foo: 2", "X-Foo: 2"},
		{"9111-3.2 added", "", "X-Foo: 2", "X-Foo: 2"},
		{"9111-3.2 kept", "X-Foo: 1", "", "X-Foo: 1"},
		{"9111-3.2 all lines are replaced", "Link: a\nLink: b", "Link: c", "Link: c"},
		{"9111-3.2 Content-Foo is no exception", "Content-Foo: 1", "Content-Foo: 2", "Content-Foo: 2"},
		{"9111-3.2 Content-Type", "Content-Type: text/plain", "Content-Type: text/plain;charset=utf-8", "Content-Type: text/plain;charset=utf-8"},
		{"9111-3.2 Content-Length", "Content-Length: 36", "Content-Length: 10", "Content-Length: 36"},
		{"9111-3.2 Content-Length of a 304", "", "Content-Length: 0", ""},
		{"9111-3.2 Content-Encoding: what is stored stays coded", "Content-Encoding: gzip", "Content-Encoding: br", "Content-Encoding: gzip"},
		{"9111-3.2 Content-Range", "", "Content-Range: bytes 0-1/2", ""},
		{"9111-3.1 hop-by-hop", "", "Keep-Alive: 1\nTransfer-Encoding: chunked\nProxy-Authenticate: x", ""},
		{"9111-3.1 named by Connection", "A: 1", "Connection: a\nA: 2", "A: 1"},
		{"9111-5.1 Age", "", "Age: 30", ""},
		{"9111-5.2.2.7 private field", "", "Cache-Control: private=\"x-user\", max-age=9\nX-User: me", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStore(t, fresh+"Etag: \"a\"\n"+tt.stored)
			before := s.Fields.Header()
			fresh, why, ok := Freshen(s, notModified("Etag: \"a\"\n"+tt.response), &Policy{})
			if !ok {
				t.Fatalf("Freshen: %v", why)
			}
			got := fresh.Fields.Header()
			for _, name := range []string{"Cache-Control", "Date", "Etag"} {
				delete(got, name)
			}
			if want := header(tt.want); !equalHeaders(got, want) {
				t.Errorf("fields %v, want %v", got, want)
			}
			if !equalHeaders(before, s.Fields.Header()) {
				t.Errorf("the stored response changed: %v", s.Fields.Header())
			}
		})
	}
}

func TestFreshenTimes(t *testing.T) {
	minuteLater := now.Add(time.Minute)
	tests := []struct {
		name, stored, response string
		age, lifetime          time.Duration
	}{
		{"9111-4.3.4 fresh again", fresh, "", 0, time.Minute},
		{"9111-4.3.4 a new lifetime", fresh, "Cache-Control: max-age=5", 0, 5 * time.Second},
		{"9111-4.2.3 the Age of the 304", fresh, "Age: 30\nDate: " + date(60), 30 * time.Second, time.Minute},
		{"9111-4.2.3 the stored Age does not count", fresh + "Age: 30", "", 0, time.Minute},
		{"9111-4.2.3 the Date of the 304", fresh, "Date: " + date(40), 20 * time.Second, time.Minute},
		{"9111-4.2.1 Expires minus the new Date", "Expires: " + date(90), "Date: " + date(60), 0, 30 * time.Second},
		{"9111-4.2.1 old Expires", "Expires: " + date(30), "Date: " + date(60), 0, 0},
		{"9111-4.2.1 new Expires", "Expires: " + date(30), "Expires: " + date(70), 0, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStore(t, "Etag: \"a\"\n"+tt.stored)
			got, why, ok := Freshen(s, notModified("Etag: \"a\"\n"+tt.response), &Policy{})
			if !ok {
				t.Fatalf("Freshen: %v", why)
			}
			if got.InitialAge != tt.age || got.Lifetime != tt.lifetime || !got.ResponseTime.Equal(minuteLater) {
				t.Errorf("age %v, lifetime %v at %v; want %v, %v at %v", got.InitialAge, got.Lifetime, got.ResponseTime, tt.age, tt.lifetime, minuteLater)
			}
		})
	}
}

func TestFreshenDate(t *testing.T) {
	s := mustStore(t, fresh+"Etag: \"a\"\nDate: "+date(0))
	got, _, _ := Freshen(s, notModified(""), &Policy{})
	// Without a Date of its own the 304 was made when it came.
	if want := date(60); got.Fields.Get("Date") != want || got.InitialAge != 0 {
		t.Errorf("Date %q, age %v; want %q, 0", got.Fields.Get("Date"), got.InitialAge, want)
	}
}

func TestFreshenMayEnd(t *testing.T) {
	tests := []struct {
		name, request, response string
		policy                  Policy
		want                    Reason
	}{
		{"9111-3 nothing new", "", "", Policy{}, Storable},
		{"9111-3 no-store", "", "Cache-Control: no-store", Policy{}, NoStore},
		{"9111-3 private", "", "Cache-Control: private, max-age=5", Policy{}, Private},
		{"9111-4.1 Vary: *", "", "Vary: *", Policy{}, VaryAny},
		{"9111-5.2.1.5 the request's no-store", "Cache-Control: no-store", "", Policy{}, RequestNoStore},
		{"9111-3.5 authenticated", "Authorization: Basic eDp5", "", Policy{}, Authorization},
		{"9111-7.3 a cookie", "", "Set-Cookie: a=b", Policy{}, HasSetCookie},
		{"option set_cookie strip", "", "Set-Cookie: a=b", Policy{SetCookie: SetCookieStrip}, Storable},
		{"the client's cookie does not count", "Cookie: a=b", "", Policy{}, Storable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStore(t, "Etag: \"a\"")
			x := notModified(tt.response)
			x.RequestHeader = header(tt.request)
			got, why, ok := Freshen(s, x, &tt.policy)
			if why != tt.want || ok != (tt.want == Storable) {
				t.Errorf("Freshen: %v, %v; want %v", why, ok, tt.want)
			}
			if got == nil || got.ETag != `"a"` || got.Fields.Get("Set-Cookie") != "" {
				t.Errorf("the origin validated it, so it answers this request: %+v", got)
			}
		})
	}
}

// RFC 9111 §3: a 304 that takes away the only reason to store leaves nothing to keep.
func TestFreshenOfNoUse(t *testing.T) {
	const lifetime = "Cache-Control: max-age=60\n"
	s := mustStoreAs(t, get(http.StatusFound, lifetime+"Etag: \"a\""), &Policy{})
	if got, why, ok := Freshen(s, notModified("Cache-Control: foo"), &Policy{}); got == nil || ok || why != NoLifetime {
		t.Errorf("without a lifetime: %v, %v", why, ok)
	}
	if _, why, ok := Freshen(s, notModified(lifetime), &Policy{}); !ok {
		t.Errorf("with one: %v", why)
	}
}

func TestFreshenKeepsTheVariant(t *testing.T) {
	p := DefaultPolicy()
	stored := getWith("Accept-Language: en, de", 200, fresh+"Etag: \"a\"\nVary: Accept-Language\nContent-Language: de")
	s := mustStoreAs(t, stored, &p)
	x := notModified("Etag: \"a\"")
	x.RequestHeader = header("Accept-Language: de") // selects it by its language
	got, why, ok := Freshen(s, x, &p)
	if !ok || got.Variant != s.Variant {
		t.Errorf("variant %q (%v), want %q as before", got.Variant, why, s.Variant)
	}
	x.Header.Set("Vary", "Accept-Language, Foo")
	x.RequestHeader.Set("Foo", "1")
	if got, _, _ = Freshen(s, x, &p); got.Variant != p.Variant(got.Vary, x.RequestHeader) {
		t.Errorf("with a new Vary: variant %q, want that of the request", got.Variant)
	}
}

// Who validates a response is not for whom it was made, and a 304 with another Vary does not
// give what was made for one to all.
func TestFreshenKeepsWhatItVariesOn(t *testing.T) {
	for _, tt := range []struct {
		name, made, response, validated, notModified string
		want                                         []string
	}{
		{"a fragment whose Vary is forgotten now", "Rsc: 1", "Vary: Rsc", "Rsc: 1", "Vary: Accept-Encoding", []string{"Accept-Encoding", "Rsc"}},
		{"opened to a site, and Vary forgotten now", "Origin: https://a.test", "Vary: Origin", "Origin: https://a.test", "Vary: Foo", []string{"Foo", "Origin"}},
		{"a policy that names the Referer by chance", "", "Content-Security-Policy: frame-ancestors https://a.test", "Referer: https://a.test", "", nil},
		{"data, validated by a program", "Accept: */*", "Content-Type: application/json", "Accept: application/json", "", nil},
	} {
		s := mustStoreAs(t, getWith(tt.made, 200, fresh+"Etag: \"a\"\n"+tt.response), &Policy{})
		x := notModified("Etag: \"a\"\n" + tt.notModified)
		x.RequestHeader = header(tt.validated)
		if got, why, ok := Freshen(s, x, &Policy{}); !ok || !slices.Equal(got.Vary, tt.want) {
			t.Errorf("%s: %v, varies on %q, want %q", tt.name, why, got.Vary, tt.want)
		}
	}
}

func TestFreshenIsStore(t *testing.T) {
	// A 304 that repeats everything makes what a new 200 would have made.
	const response = fresh + "Etag: \"a\"\nVary: Foo\nX-Foo: 1\nContent-Length: 5\n"
	s := mustStoreAs(t, getWith("Foo: 1", 200, response), &Policy{})
	x := notModified(response)
	x.RequestHeader = header("Foo: 1")
	got, _, _ := Freshen(s, x, &Policy{})
	again := *x
	again.Status = 200
	if want := mustStoreAs(t, &again, &Policy{}); !reflect.DeepEqual(got, want) {
		t.Errorf("freshened:\n%+v, stored anew:\n%+v", got, want)
	}
}

func TestFreshenHead(t *testing.T) {
	const length = "Content-Length: 36\n"
	modified := "Last-Modified: " + date(-100) + "\n"
	tests := []struct {
		name, stored string
		length       int64
		status       int
		response     string
		want         bool
	}{
		{"9111-4.3.5 same validators and length", "Etag: \"a\"\n" + modified + length, 36, 200, "Etag: \"a\"\n" + modified + length, true},
		{"9111-4.3.5 nothing received contradicts", "Etag: \"a\"\n" + length, 36, 200, "X-Foo: 2", true},
		{"9111-4.3.5 another tag", "Etag: \"a\"\n" + length, 36, 200, "Etag: \"b\"", false},
		{"9111-4.3.5 a tag, none stored", length, 36, 200, "Etag: \"b\"", false},
		{"9111-4.3.5 a weak tag", "Etag: \"a\"", 36, 200, "Etag: W/\"a\"", false},
		{"9111-4.3.5 another date", modified, 36, 200, "Last-Modified: " + date(-50), false},
		{"9111-4.3.5 another length", length, 36, 200, "Content-Length: 35", false},
		{"9111-4.3.5 a length that was not announced", "Etag: \"a\"", 36, 200, length, true},
		{"9111-4.3.5 another length than came", "Etag: \"a\"", 35, 200, length, false},
		{"9111-4.3.5 a length, and not all has come", "Etag: \"a\"", -1, 200, length, false},
		{"9530-3 the same digest", length + "Repr-Digest: sha-256=:YQ==:\n", 36, 200, "Repr-Digest: sha-512=:Yg==:, sha-256=:YQ==:", true},
		{"9530-3 another digest", length + "Repr-Digest: sha-256=:YQ==:\n", 36, 200, "Repr-Digest: sha-512=:Yg==:, sha-256=:Yw==:", false},
		{"9530-3 a digest by another algorithm", length + "Repr-Digest: sha-256=:YQ==:\n", 36, 200, "Repr-Digest: sha-512=:Yg==:", true},
		{"9530-3 a digest that is none", length + "Repr-Digest: sha-256=:YQ==:\n", 36, 200, "Repr-Digest: sha-256=Yw", true},
		{"9651-4.2 no dictionary", length + "Repr-Digest: sha-256=:YQ==:\n", 36, 200, "Repr-Digest: sha-256=:Yw==:,", true},
		{"9530-3 a digest, none stored", length, 36, 200, "Repr-Digest: sha-256=:YQ==:", true},
		{"9530-2 a digest of no content", length + "Content-Digest: sha-256=:YQ==:\n", 36, 200, "Content-Digest: sha-256=:Yw==:", true},
		{"9111-4.3.5 another status", length, 36, 410, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStore(t, fresh+tt.stored)
			x := notModified("Cache-Control: max-age=1000\n" + tt.response)
			x.Method, x.Status = http.MethodHead, tt.status
			got, why, ok := FreshenHead(s, tt.length, x, &Policy{})
			if ok != tt.want {
				t.Fatalf("FreshenHead: %v (%v), want %v", ok, why, tt.want)
			}
			if ok && got.Lifetime != 1000*time.Second {
				t.Errorf("Lifetime = %v, want 1000s", got.Lifetime)
			}
		})
	}
}
