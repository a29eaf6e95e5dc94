package httpcache

import (
	"slices"
	"strings"
)

// This file is about responses whose fields lead somewhere, or open something, that
// the request has named in a field of its own: a redirection to what X-My-Host said,
// a policy that lists the Referer. Whoever sends such a field would lead everybody
// there ("Practical Web Cache Poisoning", J. Kettle, 2018). So the response varies on
// that field, whether its origin says so or not.

// leading are response fields that lead somewhere, opening those that let others in
// or name what else to get.
var (
	leading = [...]string{"Location", "Refresh"}
	opening = [...]string{"Access-Control-Allow-Origin", "Content-Security-Policy", "Link"}
)

// minReflected is how long a value must be, in bytes, to be no coincidence.
const minReflected = 4

// byReflection separates what repeats a field of the request where it matters.
func (r *response) byReflection() {
	led := r.shown(leading[:])
	shown := led + r.shown(opening[:])
	if shown == "" {
		return
	}
	for name, values := range r.RequestHeader {
		if r.isReflected(name, values, led, shown) {
			r.variesOn(name)
		}
	}
	if location := firstLine(r.brought("Location")); location != "" {
		r.byLanguage(location)
	}
}

// shown are the values of response fields, in lower case.
func (r *response) shown(names []string) (all string) {
	for _, name := range names {
		for _, value := range r.brought(name) {
			all += strings.ToLower(value) + "\n"
		}
	}
	return all
}

// isReflected reports a request field of which a value is repeated: a cookie only where
// it leads, and as a word, for cookies hold what policies are made of, such as none.
func (r *response) isReflected(name string, values []string, led, shown string) bool {
	if strings.HasPrefix(name, "Sec-") || strings.HasPrefix(name, "Accept") {
		return false // words that stand in policies and links anyway, such as style and image
	}
	if name == "Cookie" {
		return slices.ContainsFunc(cookieValues(values), func(value string) bool {
			value = r.telling(value)
			return value != "" && containsWord(led, value)
		})
	}
	return slices.ContainsFunc(values, func(value string) bool {
		value = r.telling(value)
		return value != "" && strings.Contains(shown, value)
	})
}

// cookieValues are the values of the cookies in the lines of Cookie, each once: a
// thousand cookies of one value are not worth a thousand searches.
func cookieValues(lines []string) (values []string) {
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			_, value, _ := strings.Cut(pair, "=")
			values = append(values, value)
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// telling is a value as it would be shown; "" for one that tells nothing. A visitor who
// comes from the site itself names nothing that would be new.
func (r *response) telling(value string) string {
	value = strings.TrimRight(strings.ToLower(trimOWS(value)), "/")
	if len(value) < minReflected || value == "http" || value == "https" || r.isOwn(value) {
		return ""
	}
	return value
}

// containsWord reports word in s, not as a part of a longer one.
func containsWord(s, word string) bool {
	for at := 0; ; at++ {
		i := strings.Index(s[at:], word)
		if i < 0 {
			return false
		}
		at += i
		end := at + len(word)
		if !(at > 0 && isAlphanumeric(s[at-1]) && isAlphanumeric(word[0])) &&
			!(end < len(s) && isAlphanumeric(s[end]) && isAlphanumeric(word[len(word)-1])) {
			return true
		}
	}
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z'
}

// isOwn reports the host of the request, or a URI on it.
func (r *response) isOwn(value string) bool {
	if _, rest, ok := strings.Cut(value, "://"); ok {
		value, _, _ = strings.Cut(rest, "/")
	}
	return r.Host != "" && strings.EqualFold(value, r.Host)
}

// byLanguage separates a redirection to a language that the request prefers, such as
// from / to /de/.
func (r *response) byLanguage(location string) {
	location, _, _ = strings.Cut(location, "?")
	languages, path := languagesIn(r.RequestHeader["Accept-Language"]), "/"+r.Path+"/"
	for segment := range strings.SplitSeq(location, "/") {
		if languages[strings.ToLower(segment)] && !strings.Contains(path, "/"+segment+"/") {
			r.variesOn("Accept-Language")
			return
		}
	}
}

// languagesIn are the languages of Accept-Language, and the first parts of their names, in
// lower case.
func languagesIn(lines []string) map[string]bool {
	names := make(map[string]bool)
	for _, line := range lines {
		for element := range listElements(strings.ToLower(line)) {
			language, _, _ := strings.Cut(element, ";")
			language = trimOWS(language)
			primary, _, _ := strings.Cut(language, "-")
			names[language], names[primary] = len(language) > 1, len(primary) > 1
		}
	}
	return names
}
