package httpcache

import (
	"math/big"
	"regexp"
	"strings"
	"testing"
)

// with returns directives with what f sets.
func with(f func(*directives)) directives {
	d := noDirectives()
	f(&d)
	return d
}

func maxAgeOf(n seconds) directives { return with(func(d *directives) { d.maxAge = n }) }

func flags(s directiveSet) directives { return with(func(d *directives) { d.set = s }) }

func TestCacheControl(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  directives
	}{
		{"9111-5.2 absent", nil, noDirectives()},
		{"9111-5.2 empty", []string{""}, noDirectives()},
		{"9111-5.2 case-insensitive", []string{"MaX-aGe=5, No-StOrE"}, with(func(d *directives) { d.maxAge, d.set = 5, dirNoStore })},
		{"9111-5.2 quoted-string form", []string{`max-age="3600"`}, maxAgeOf(3600)},
		{"9111-5.2 comma in a quoted string", []string{`ext="a, no-store, max-age=3", max-age=1`}, maxAgeOf(1)},
		{"9111-5.2 escaped quote in a quoted string", []string{`ext="a\", no-store", max-age=1`}, maxAgeOf(1)},
		{"9111-5.2 directive in a quoted string is none", []string{`max-age=1, ext="max-age=3600"`}, maxAgeOf(1)},
		{"9111-5.2.3 unknown directives", []string{"community=UCI, nothing-to-see-here, max-age=60"}, maxAgeOf(60)},
		{"9110-5.6.1 empty elements and whitespace", []string{" , ,\tmax-age=7 ,, public\t,"}, with(func(d *directives) { d.maxAge, d.set = 7, dirPublic })},
		{"9110-5.3 several lines", []string{"public", "max-age=9"}, with(func(d *directives) { d.maxAge, d.set = 9, dirPublic })},

		{"9111-1.2.2 leading zeros", []string{"max-age=003600"}, maxAgeOf(3600)},
		{"9111-1.2.2 2^31-1", []string{"max-age=2147483647"}, maxAgeOf(2147483647)},
		{"9111-1.2.2 over 2^31", []string{"max-age=99999999999"}, maxAgeOf(maxSeconds)},
		{"9111-1.2.2 over 2^64", []string{"max-age=18446744073709551617"}, maxAgeOf(maxSeconds)},
		{"9111-4.2.1 first of several", []string{"max-age=1800, max-age=1"}, maxAgeOf(1800)},
		{"9111-4.2.1 first of several lines", []string{"max-age=1", "max-age=1800"}, maxAgeOf(1)},
		{"9111-4.2.1 first is invalid", []string{"max-age=x, max-age=1800"}, maxAgeOf(invalid)},
		{"9111-4.2.1 negative", []string{"max-age=-3600"}, maxAgeOf(invalid)},
		{"9111-4.2.1 signed", []string{"max-age=+3600"}, maxAgeOf(invalid)},
		{"9111-4.2.1 fraction", []string{"max-age=3600.0"}, maxAgeOf(invalid)},
		{"9111-4.2.1 letters before", []string{"max-age=a3600"}, maxAgeOf(invalid)},
		{"9111-4.2.1 letters behind", []string{"max-age=3600a"}, maxAgeOf(invalid)},
		{"9111-4.2.1 single quotes", []string{"max-age='3600'"}, maxAgeOf(invalid)},
		{"9111-4.2.1 no argument", []string{"max-age"}, maxAgeOf(invalid)},
		{"9111-4.2.1 empty argument", []string{"max-age="}, maxAgeOf(invalid)},
		{"9111-4.2.1 empty quoted argument", []string{`max-age=""`}, maxAgeOf(invalid)},
		{"9111-4.2.1 space before =", []string{"max-age =3600"}, maxAgeOf(invalid)},
		{"9111-4.2.1 space behind =", []string{"max-age= 3600"}, maxAgeOf(invalid)},
		{"9111-4.2.1 unclosed quote", []string{`max-age="3600`}, maxAgeOf(invalid)},
		{"9111-4.2.1 more behind the quote", []string{`max-age="36"00`}, maxAgeOf(invalid)},
		{"9111-4.2.1 semicolon", []string{"max-age=3600; public"}, maxAgeOf(invalid)},

		{"9111-5.2.2 all flags", []string{"no-store, no-cache, private, public, must-revalidate, proxy-revalidate, must-understand, immutable"}, flags(
			dirNoStore | dirNoCache | dirPrivate | dirPublic | dirMustRevalidate | dirProxyRevalidate | dirMustUnderstand | dirImmutable)},
		{"9111-5.2.2.10 s-maxage", []string{"s-maxage=4"}, with(func(d *directives) { d.sMaxAge = 4 })},
		{"5861-3 and 4", []string{"stale-while-revalidate=30, stale-if-error=60"}, with(func(d *directives) { d.staleWhileRevalidate, d.staleIfError = 30, 60 })},
		{"5861-3 without argument", []string{"stale-while-revalidate"}, with(func(d *directives) { d.staleWhileRevalidate = invalid })},
		{"9111-5.2.1 request directives", []string{"min-fresh=5, max-stale=6, only-if-cached"}, with(func(d *directives) {
			d.minFresh, d.maxStale, d.set = 5, 6, dirOnlyIfCached
		})},
		{"9111-5.2.1.2 max-stale of any age", []string{"max-stale"}, with(func(d *directives) { d.maxStale = anyAge })},
		{"9111-5.2.1.2 invalid max-stale permits nothing", []string{"max-stale=x"}, with(func(d *directives) { d.maxStale = invalid })},

		{"9111-5.2.2.4 qualified no-cache", []string{`no-cache="a, b"`}, with(func(d *directives) { d.noCacheFields = "a, b" })},
		{"9111-5.2.2.4 qualified in token form", []string{`no-cache=Set-Cookie`}, with(func(d *directives) { d.noCacheFields = "Set-Cookie" })},
		{"9111-5.2.2.4 qualified twice", []string{`no-cache="a"`, `no-cache="b"`}, with(func(d *directives) { d.noCacheFields = "a,b" })},
		{"9111-5.2.2.4 qualified and whole", []string{`no-cache="a", no-cache`}, with(func(d *directives) { d.noCacheFields, d.set = "a", dirNoCache })},
		{"9111-5.2.2.4 empty list is the whole", []string{`no-cache=""`}, flags(dirNoCache)},
		{"9111-5.2.2.4 no list of names is the whole", []string{`no-cache="a b"`}, flags(dirNoCache)},
		{"9111-5.2.2.4 unclosed list is the whole", []string{`no-cache="a`}, flags(dirNoCache)},
		{"9111-5.2.2.4 essential field is the whole", []string{`no-cache="content-type"`}, flags(dirNoCache)},
		{"9111-5.2.2.7 qualified private", []string{`private="x-user"`}, with(func(d *directives) { d.privateFields = "x-user" })},
		{"9111-5.2.2.7 essential field is the whole", []string{`private="x-user, ETag"`}, flags(dirPrivate)},

		{"malformed: what forbids counts", []string{"private; max-age=600"}, with(func(d *directives) { d.set, d.maxAge = dirPrivate, invalid })},
		{"malformed: what forbids counts behind", []string{"max-age=60; no-store"}, with(func(d *directives) { d.set, d.maxAge = dirNoStore, invalid })},
		{"malformed: missing comma", []string{"no-cache no-store"}, flags(dirNoCache | dirNoStore)},
		{"malformed: what permits does not count", []string{"public; immutable"}, noDirectives()},
		{"malformed: what permits does not count behind", []string{"foo public"}, noDirectives()},
		{"malformed: until the comma", []string{"foo bar, public"}, flags(dirPublic)},
		{"malformed: in quotes is not looked at", []string{`foo "no-store", public`}, flags(dirPublic)},
		{"argument where there is none: forbids", []string{"no-store=1, must-revalidate=x"}, flags(dirNoStore | dirMustRevalidate)},
		{"argument where there is none: permits not", []string{"public=1, must-understand=y"}, noDirectives()},
		{"8246-2 an argument has no meaning", []string{"immutable=x"}, flags(dirImmutable)},
		{"malformed: in quotes without an end is looked at", []string{`ext="a, no-store, public`}, flags(dirNoStore)},
		{"malformed: in quotes that an escape leaves without an end", []string{`ext="\", no-store`}, flags(dirNoStore)},
		{"malformed: what permits in quotes without an end", []string{`ext="a, max-age=60, public`}, maxAgeOf(invalid)},
		{"8246-2 nor has a quoted one, or another instance", []string{`immutable="y", Immutable=0`}, flags(dirImmutable)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := parseCacheControl(tt.lines); got != tt.want {
				t.Errorf("parseCacheControl(%q) =\n %+v, want\n %+v", tt.lines, got, tt.want)
			}
		})
	}
}

// slowElement is the grammar of a directive, RFC 9111 §5.2, as one expression.
var slowElement = regexp.MustCompile("^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|\"((?:[^\"\\\\]|\\\\.)*)\"))?$")

// slowCacheControl is the twin of parseCacheControl for what is well formed:
// split at commas outside quotes, match, look up. ok is false for the rest.
func slowCacheControl(line string) (want directives, ok bool) {
	want = noDirectives()
	for _, element := range slowSplit(line) {
		element = strings.Trim(element, " \t")
		if element == "" {
			continue
		}
		m := slowElement.FindStringSubmatch(element)
		if m == nil {
			return want, false
		}
		_, argument, has := strings.Cut(element, "=")
		slowApply(&want, strings.ToLower(m[1]), strings.Trim(argument, `"`), has)
	}
	return want, true
}

func slowSplit(line string) (elements []string) {
	start, quoted, escaped := 0, false, false
	for i, c := range []byte(line) {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			elements = append(elements, line[start:i])
			start = i + 1
		}
	}
	return append(elements, line[start:])
}

func slowApply(d *directives, name, argument string, has bool) {
	numbers := map[string]*seconds{
		"max-age": &d.maxAge, "s-maxage": &d.sMaxAge, "min-fresh": &d.minFresh, "max-stale": &d.maxStale,
		"stale-while-revalidate": &d.staleWhileRevalidate, "stale-if-error": &d.staleIfError,
	}
	if n := numbers[name]; n != nil && *n == absent {
		*n = slowSeconds(argument)
		if name == "max-stale" && !has {
			*n = anyAge
		}
	}
	switch name {
	case "no-store":
		d.set |= dirNoStore
	case "must-revalidate":
		d.set |= dirMustRevalidate
	case "proxy-revalidate":
		d.set |= dirProxyRevalidate
	case "immutable":
		d.set |= dirImmutable
	}
	if !has {
		d.set |= map[string]directiveSet{
			"public": dirPublic, "must-understand": dirMustUnderstand,
			"only-if-cached": dirOnlyIfCached, "no-cache": dirNoCache, "private": dirPrivate,
		}[name]
	}
}

func slowSeconds(s string) seconds {
	if !regexp.MustCompile(`^[0-9]+$`).MatchString(s) {
		return invalid
	}
	n, _ := new(big.Int).SetString(s, 10)
	if n.Cmp(big.NewInt(1<<31)) > 0 {
		return maxSeconds
	}
	return seconds(n.Int64())
}

func FuzzCacheControl(f *testing.F) {
	for _, seed := range []string{
		"max-age=3600, public", `max-age="5",no-store`, `x="a,b", s-maxage=1`, "no-cache, private", "max-stale",
		"max-age=1, max-age=2", `ext="\"", immutable`, "private; no-store", "stale-if-error=99999999999999999999",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got := parseCacheControl([]string{line})
		want, ok := slowCacheControl(line)
		if !ok { // malformed: nothing forbidden may be lost of what stands alone between commas
			for _, element := range slowSplit(line) {
				if strings.EqualFold(strings.Trim(element, " \t"), "no-store") && !got.has(dirNoStore) {
					t.Errorf("parseCacheControl(%q) lost no-store", line)
				}
			}
			return
		}
		// The qualified forms have their own rows above.
		got.noCacheFields, got.privateFields = "", ""
		got.set &^= dirNoCache | dirPrivate
		want.set &^= dirNoCache | dirPrivate
		if got != want {
			t.Errorf("parseCacheControl(%q) =\n %+v, want\n %+v", line, got, want)
		}
	})
}
