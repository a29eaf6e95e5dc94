package httpcache

import (
	"testing"
	"time"
)

func TestTargeted(t *testing.T) {
	tests := []struct {
		name  string
		field string
		lines []string
		want  directives
		ok    bool
	}{
		{"9213-2.1 booleans", "CDN-Cache-Control", []string{"no-store, public, must-revalidate, immutable"}, flags(dirNoStore | dirPublic | dirMustRevalidate | dirImmutable), true},
		{"9213-2.1 false is not given", "CDN-Cache-Control", []string{"no-store=?0, public=?1"}, flags(dirPublic), true},
		{"9213-2.1 list of fields", "CDN-Cache-Control", []string{`no-cache="a, b", private="c"`}, with(func(d *directives) {
			d.noCacheFields, d.privateFields = "a, b", "c"
		}), true},
		{"9213-2.1 a token is no list of fields", "CDN-Cache-Control", []string{"private=set-cookie"}, flags(dirPrivate), true},
		{"9213-2.1 an inner list is no list of fields", "CDN-Cache-Control", []string{`private=("a" "b")`}, flags(dirPrivate), true},
		{"9213-2.1 what forbids counts with any type", "CDN-Cache-Control", []string{"no-store=1, no-cache=tok"}, flags(dirNoStore | dirNoCache), true},
		{"9213-2.1 what permits does not", "CDN-Cache-Control", []string{`public=1, immutable="x"`}, noDirectives(), true},
		{"9213-2.1 nor with a number", "CDN-Cache-Control", []string{`immutable=1, must-understand=1`}, noDirectives(), true},
		{"9213-2.1 nor with anything else", "CDN-Cache-Control", []string{`immutable=tok, public=(a), must-understand=1.5`}, noDirectives(), true},
		{"9213-2.1 a lifetime without a number", "CDN-Cache-Control", []string{"max-age, s-maxage=?1"}, with(func(d *directives) { d.maxAge, d.sMaxAge = invalid, invalid }), true},
		{"9213-2.1 stale windows", "CDN-Cache-Control", []string{"max-age=1, stale-while-revalidate=2, stale-if-error=3"}, with(func(d *directives) {
			d.maxAge, d.staleWhileRevalidate, d.staleIfError = 1, 2, 3
		}), true},
		{"9213-2.1 unknown alone is not empty", "CDN-Cache-Control", []string{"foo"}, noDirectives(), true},
		{"9651-3.2 of two the last counts", "CDN-Cache-Control", []string{"max-age=1, no-store, max-age=60, no-store=?0"}, maxAgeOf(60), true},
		{"9651-3.2 of two the last counts, if it is wrong", "CDN-Cache-Control", []string{"max-age=60, max-age"}, maxAgeOf(invalid), true},
		{"9651-3.2 several lines", "CDN-Cache-Control", []string{"max-age=60", "public"}, with(func(d *directives) { d.maxAge, d.set = 60, dirPublic }), true},
		{"9651-3.2 an empty line", "CDN-Cache-Control", []string{"max-age=60", ""}, directives{}, false},
		{"9651-3.1.2 keys have no upper case", "CDN-Cache-Control", []string{"Max-Age=60"}, directives{}, false},
		{"9651-3.1.2 nor where Cache-Control would take it", "CDN-Cache-Control", []string{"max-age=60, Private"}, directives{}, false},
		{"9213-2.1 parameters are ignored", "CDN-Cache-Control", []string{`max-age=60;max-age=1;no-store, public;a=?0;b="c"`}, with(func(d *directives) { d.maxAge, d.set = 60, dirPublic }), true},
		{"9213-2.1 a Decimal is no number of seconds", "CDN-Cache-Control", []string{"max-age=60.0"}, maxAgeOf(invalid), true},
		{"9213-2.1 nor is a String", "CDN-Cache-Control", []string{`max-age="60"`}, maxAgeOf(invalid), true},
		{"9213-2.1 nor a Token", "CDN-Cache-Control", []string{"max-age=a60"}, maxAgeOf(invalid), true},
		{"9213-2.1 nor an Inner List", "CDN-Cache-Control", []string{"max-age=(60)"}, maxAgeOf(invalid), true},
		{"9213-2.1 nor a Date", "CDN-Cache-Control", []string{"max-age=@60"}, maxAgeOf(invalid), true},
		{"9213-2.1 nor a negative one", "CDN-Cache-Control", []string{"max-age=-60"}, maxAgeOf(invalid), true},
		{"9651-3.3.1 fifteen digits", "CDN-Cache-Control", []string{"max-age=999999999999999"}, maxAgeOf(maxSeconds), true},
		{"9651-3.3.1 sixteen digits are no Integer", "CDN-Cache-Control", []string{"max-age=1000000000000000"}, directives{}, false},
		{"9213-2.1 an empty list of fields", "CDN-Cache-Control", []string{`no-cache="", private=" "`}, flags(dirNoCache | dirPrivate), true},
		{"9213-2.1 empty, but a space", "CDN-Cache-Control", []string{" "}, directives{}, false},
		{"9213-2.1 only a comma", "CDN-Cache-Control", []string{","}, directives{}, false},
		{"9213-2.1 no token, as Cache-Control would skip", "CDN-Cache-Control", []string{"max-age=60, =, private"}, directives{}, false},
		{"9213-2.1 empty", "CDN-Cache-Control", []string{""}, directives{}, false},
		{"9213-2.1 space before =", "CDN-Cache-Control", []string{"max-age =100"}, directives{}, false},
		{"9213-2.1 space behind =", "CDN-Cache-Control", []string{"max-age= 100"}, directives{}, false},
		{"9213-2.1 trailing comma", "CDN-Cache-Control", []string{"max-age=100,"}, directives{}, false},

		{"Surrogate-Control", "Surrogate-Control", []string{`max-age=60, content="ESI/1.0"`}, maxAgeOf(60), true},
		{"9110-5.6.4 a list in a quoted string", "Surrogate-Control", []string{`content="ESI/1.0, no-store;edge, \", no-store", max-age=60`}, maxAgeOf(60), true},
		{"9110-5.6.4 a quoted string that does not end", "Surrogate-Control", []string{`max-age=60, content="x, no-store`}, maxAgeOf(60), true},
		{"Surrogate-Control, stale extension", "Surrogate-Control", []string{"max-age=60+30"}, with(func(d *directives) { d.maxAge, d.staleWhileRevalidate = 60, 30 }), true},
		{"edge-arch-2.3 own target", "Surrogate-Control", []string{"no-store;edge"}, flags(dirNoStore), true},
		{"edge-arch-2.3 own target, any case", "Surrogate-Control", []string{"no-store ; EDGE"}, flags(dirNoStore), true},
		{"edge-arch-2.3 another's", "Surrogate-Control", []string{"no-store;cdn"}, noDirectives(), false},
		{"edge-arch-2.3 another's beside one for all", "Surrogate-Control", []string{"no-store;cdn, max-age=60"}, maxAgeOf(60), true},
		{"edge-arch-2.3 own goes before all", "Surrogate-Control", []string{"max-age=60+5", "max-age=600+7;edge"}, with(func(d *directives) { d.maxAge, d.staleWhileRevalidate = 600, 7 }), true},
		{"edge-arch-2.3 own without extension", "Surrogate-Control", []string{"max-age=60+5, max-age=600;edge"}, maxAgeOf(600), true},
		{"edge-arch-2.3 what is for all restricts as well", "Surrogate-Control", []string{"no-store, max-age=600;edge"}, with(func(d *directives) { d.maxAge, d.set = 600, dirNoStore }), true},
		{"edge-arch-2.2.2 not remote", "Surrogate-Control", []string{"no-store-remote, max-age=60"}, maxAgeOf(60), true},
		{"edge-arch-2.2.3 no extension", "Surrogate-Control", []string{"max-age=60+"}, with(func(d *directives) { d.maxAge, d.staleWhileRevalidate = 60, invalid }), true},
		{"edge-arch-2.2.3 spaces", "Surrogate-Control", []string{"max-age =100"}, noDirectives(), false},
		{"edge-arch-2.2.3 any case", "Surrogate-Control", []string{"foobar, MaX-aGe=60"}, maxAgeOf(60), true},
		{"Surrogate-Control, no number", "Surrogate-Control", []string{"max-age=x"}, maxAgeOf(invalid), true},
		{"Surrogate-Control, empty", "Surrogate-Control", []string{" , "}, noDirectives(), false},

		{"X-Accel-Expires", "X-Accel-Expires", []string{"60"}, maxAgeOf(60), true},
		{"X-Accel-Expires, zero", "X-Accel-Expires", []string{"0"}, flags(dirNoStore), true},
		{"X-Accel-Expires, as nginx: off is no value", "X-Accel-Expires", []string{"off"}, directives{}, false},
		{"X-Accel-Expires, at nothing", "X-Accel-Expires", []string{"@"}, directives{}, false},
		{"X-Accel-Expires, at zero", "X-Accel-Expires", []string{"@0"}, maxAgeOf(0), true},
		{"X-Accel-Expires, at a time", "X-Accel-Expires", []string{"@" + formatSeconds(seconds(now.Unix())+90)}, maxAgeOf(90), true},
		{"X-Accel-Expires, past", "X-Accel-Expires", []string{"@1000"}, maxAgeOf(0), true},
		{"X-Accel-Expires, negative", "X-Accel-Expires", []string{"-5"}, directives{}, false},
		{"X-Accel-Expires, word", "X-Accel-Expires", []string{"soon"}, directives{}, false},
		{"X-Accel-Expires, huge", "X-Accel-Expires", []string{"999999999999"}, maxAgeOf(maxSeconds), true},
	}
	p := &Policy{SurrogateID: "edge"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := p.parseTargeted(tt.field, tt.lines, now)
			if got != tt.want || ok != tt.ok {
				t.Errorf("parseTargeted(%q) =\n %+v, %v; want\n %+v, %v", tt.lines, got, ok, tt.want, tt.ok)
			}
		})
	}
}

// TestTargetList is the order, and what is passed over (RFC 9213 §2.2).
func TestTargetList(t *testing.T) {
	p := &Policy{Targeted: []string{"Own-Cache-Control", "CDN-Cache-Control"}}
	tests := []struct {
		name, response, want string
		lifetime             time.Duration
		source               LifetimeSource
	}{
		{"9213-2.2 the first", "Cdn-Cache-Control: max-age=60\nOwn-Cache-Control: max-age=30", "Own-Cache-Control", 30 * time.Second, FromMaxAge},
		{"9213-2.2 the first that is valid", "Own-Cache-Control: max-age=&\nCdn-Cache-Control: max-age=60", "CDN-Cache-Control", time.Minute, FromMaxAge},
		{"9213-2.2 the first that is not empty", "Own-Cache-Control:\nCdn-Cache-Control: max-age=60", "CDN-Cache-Control", time.Minute, FromMaxAge},
		{"9213-2.2 the first though it says nothing", "Own-Cache-Control: none\nCdn-Cache-Control: max-age=60\nEtag: \"1\"", "Own-Cache-Control", 0, FromNothing},
		{"9213-2.2 not Cache-Control", "Cache-Control: max-age=90\nCdn-Cache-Control: public\nEtag: \"1\"", "CDN-Cache-Control", 0, FromNothing},
		{"9213-2.2 not s-maxage of Cache-Control", "Cache-Control: s-maxage=90\nCdn-Cache-Control: max-age=60", "CDN-Cache-Control", time.Minute, FromMaxAge},
		{"9213-2.2 not Expires", "Expires: Fri, 01 Jan 2100 00:00:00 GMT\nCdn-Cache-Control: public\nEtag: \"1\"", "CDN-Cache-Control", 0, FromNothing},
		{"9213-2.2 nothing valid: Cache-Control", "Own-Cache-Control: ,\nCdn-Cache-Control: \"\nCache-Control: max-age=90", "", 90 * time.Second, FromMaxAge},
		{"9213-2.2 not on the list", "Other-Cache-Control: max-age=60\nCache-Control: max-age=90", "", 90 * time.Second, FromMaxAge},
		{"9213-2.2 precedence as in Cache-Control", "Cdn-Cache-Control: max-age=60, s-maxage=30", "CDN-Cache-Control", 30 * time.Second, FromSMaxAge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, why := Store(get(200, tt.response), p)
			if s == nil {
				t.Fatal(why)
			}
			if s.Targeted != tt.want || s.Lifetime != tt.lifetime || s.LifetimeFrom != tt.source {
				t.Errorf("%q decided, %v from %v; want %q, %v from %v", s.Targeted, s.Lifetime, s.LifetimeFrom, tt.want, tt.lifetime, tt.source)
			}
		})
	}
}

func TestTargetedDecidesAlone(t *testing.T) {
	p := &Policy{Targeted: []string{"CDN-Cache-Control"}}
	tests := []struct {
		name, response string
		want           Reason
	}{
		{"9213-2.2 no-store over max-age", "Cdn-Cache-Control: no-store\nCache-Control: max-age=60", NoStore},
		{"9213-2.2 private over public", "Cdn-Cache-Control: private\nCache-Control: public, max-age=60", Private},
		{"9213-2.2 no-cache over max-age", "Cdn-Cache-Control: no-cache\nCache-Control: max-age=60", NoCache},
		{"9213-2.2 no-store over its own max-age", "Cdn-Cache-Control: max-age=60, no-store", NoStore},
		{"9213-2.2 no-cache over its own max-age", "Cdn-Cache-Control: max-age=60, no-cache", NoCache},
		{"9213-2.2 private over its own max-age", "Cdn-Cache-Control: private, max-age=60", Private},
		{"9213-2.1 what forbids, if it is false", "Cdn-Cache-Control: no-store=?0, private=?0, max-age=60", Storable},
		{"9213-2.2 max-age over no-store", "Cdn-Cache-Control: max-age=60\nCache-Control: no-store", Storable},
		{"9213-2.2 max-age over private", "Cdn-Cache-Control: max-age=60\nCache-Control: private", Storable},
		{"9213-2.1 invalid: Cache-Control counts", "Cdn-Cache-Control: max-age=60, &&&\nCache-Control: no-store", NoStore},
		{"9213-2.1 wrong type: it counts, without lifetime", "Cdn-Cache-Control: max-age=\"60\"\nCache-Control: max-age=60", Expired},
		{"9213-2.2 without lifetime", "Cdn-Cache-Control: foo\nCache-Control: max-age=60", NoLifetime},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, got := Store(get(200, tt.response), p)
			if got != tt.want {
				t.Errorf("Store: %v, want %v", got, tt.want)
			}
			if s != nil && s.Targeted != "CDN-Cache-Control" {
				t.Errorf("Targeted = %q, want the field that decided", s.Targeted)
			}
		})
	}
}
