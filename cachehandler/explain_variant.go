package cachehandler

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// variant is one stored response as an explanation shows it. Times are in
// seconds.
type variant struct {
	Selected bool     `json:"selected"` // it is the one for the request
	Matches  bool     `json:"matches"`  // the request selects it, or a newer one
	Vary     []varied `json:"vary"`
	Reuse    stage    `json:"reuse"`         // what it is to the request, if selected
	Key      string   `json:"key,omitempty"` // if it is stored under another than the request's (No-Vary-Search)
	Stored   stage    `json:"stored"`        // why it is

	Status     int       `json:"status"`
	Part       string    `json:"part,omitempty"` // the range of a part, as Content-Range has it
	StoredAt   time.Time `json:"stored_at"`
	Age        int64     `json:"age"`
	Lifetime   int64     `json:"lifetime"`
	TTL        int64     `json:"ttl"`           // what is left of it, negative when stale
	From       string    `json:"lifetime_from"` // what gave the lifetime
	FromText   string    `json:"lifetime_text"`
	Section    string    `json:"lifetime_section,omitempty"`
	Option     string    `json:"lifetime_option,omitempty"` // that gave or bounded it
	Revalidate int64     `json:"stale_while_revalidate"`
	OnError    int64     `json:"stale_if_error"`
	Flags      []string  `json:"flags,omitempty"`

	Fields   map[string][]string `json:"fields"` // those that say what it is
	Hidden   []string            `json:"hidden,omitempty"`
	Bytes    int64               `json:"bytes"`
	Complete bool                `json:"complete"` // false: still arriving
	Tags     []string            `json:"tags,omitempty"`
	Groups   []string            `json:"groups,omitempty"`
}

// varied is one field of Vary.
type varied struct {
	Field   string  `json:"field"`
	Stored  *string `json:"stored"` // null: the field was not there
	Request *string `json:"request"`
	Matches bool    `json:"matches"`
	Implied bool    `json:"implied,omitempty"` // the response shows that it varies on it, and its Vary does not say so
	Option  string  `json:"option,omitempty"`  // that says how it is compared, or that it is not
}

// variant describes a stored response.
func (x *exchange) variant(o *store.Object) variant {
	head := o.Head
	_, why := x.h.policy.Reuse(head, x.r.Header, x.now)
	from, section, option := x.lifetimeText(head)
	age := head.Age(x.now).Truncate(time.Second) // as in Age: with what is left it adds up to the lifetime
	v := variant{
		Selected: o == x.object, Matches: x.selects(o), Vary: x.compareVary(head),
		Reuse:  stage{Step: "reuse", Reason: why.String(), Text: why.Text(), Section: why.Section(), Option: optionFor(why)},
		Stored: storedBecause(head), Part: partText(head),
		Status: head.Status, StoredAt: head.ResponseTime,
		Age: seconds(age), Lifetime: seconds(head.Lifetime), TTL: seconds(head.Lifetime - age),
		From: head.LifetimeFrom.String(), FromText: from, Section: section, Option: option,
		Revalidate: seconds(head.StaleWhileRevalidate), OnError: seconds(head.StaleIfError),
		Flags: flagNames(head), Fields: make(map[string][]string),
	}
	for name, value := range head.Fields.All {
		switch {
		case slices.Contains(shownFields, name) || slices.Contains(x.h.tagFields, name) || strings.EqualFold(name, head.Targeted):
			v.Fields[name] = append(v.Fields[name], value)
		case !slices.Contains(v.Hidden, name):
			v.Hidden = append(v.Hidden, name)
		}
	}
	if o.Key != string(x.key) {
		v.Key = x.shown(o.Key)
	}
	v.Bytes, v.Complete = o.Body.Length()
	for _, tag := range o.Tags {
		if name, origin := httpcache.PlainTag(tag); origin != "" {
			v.Groups = append(v.Groups, name)
		} else {
			v.Tags = append(v.Tags, name)
		}
	}
	return v
}

// shownFields are about caching, or about what the content is. Others may hold
// anything.
var shownFields = []string{
	"Cache-Control", "Cache-Groups", "Cdn-Cache-Control", "Content-Encoding", "Content-Language", "Content-Length",
	"Content-Type", "Date", "Etag", "Expires", "Last-Modified", "Vary",
}

const notShown = "(there, not shown)"

// shown is a key without the request's credentials: where one is a part of it, and where a
// placeholder has one, be it beside other text.
func (x *exchange) shown(key string) string {
	var secrets []string
	for name, values := range x.r.Header {
		if httpcache.IsCredential(name) {
			secrets = append(append(secrets, strings.Join(values, ", ")), values...)
		}
	}
	secrets = slices.DeleteFunc(secrets, func(secret string) bool { return secret == "" })
	for _, secret := range secrets {
		key = hide(key, secret)
	}
	repl, _ := x.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	for _, p := range x.h.Key.Placeholder {
		value := repl.ReplaceAll(p, "")
		if slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(value, secret) }) {
			key = hide(key, value)
		}
	}
	return key
}

// hide takes a value out of the parts of a key, as appendExtra writes them.
func hide(key, value string) string {
	part := fmt.Sprintf("=%d:", len(value))
	return strings.ReplaceAll(key, part+value, part+notShown)
}

func (x *exchange) compareVary(head *httpcache.Stored) []varied {
	fields, named := []varied{}, varyNames(head)
	for _, f := range x.h.policy.CompareVary(head, x.r.Header) {
		v := varied{Field: f.Name, Matches: f.Selects, Implied: !slices.Contains(named, f.Name)}
		if slices.Contains(x.h.policy.VaryNormalise, f.Name) {
			v.Option = varyNormalise
		}
		if f.StoredHas {
			v.Stored = shownValue(f.Name, f.Stored)
		}
		if f.RequestHas {
			v.Request = shownValue(f.Name, f.Request)
		}
		fields = append(fields, v)
	}
	for _, name := range named {
		if slices.Contains(x.h.policy.VaryIgnore, name) {
			fields = append(fields, varied{Field: name, Matches: true, Option: varyIgnore})
		}
	}
	return fields
}

// varyNames are the fields that the Vary of a response names.
func varyNames(head *httpcache.Stored) (names []string) {
	for _, line := range head.Fields.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			names = append(names, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	return names
}

// shownValue is the value of a field that Vary names, unless that is a credential.
func shownValue(name, value string) *string {
	if httpcache.IsCredential(name) {
		value = notShown
	}
	return &value
}

// The options that Vary is read by.
const (
	varyNormalise = "vary normalise"
	varyIgnore    = "vary ignore"
)

// seconds rounds down: what is stale by half a second has a negative ttl.
func seconds(d time.Duration) int64 {
	n := int64(d / time.Second)
	if d < 0 && d%time.Second != 0 {
		n--
	}
	return n
}

// lifetimeText says where a lifetime comes from, and which option has to do with
// it.
func (x *exchange) lifetimeText(head *httpcache.Stored) (text, section, option string) {
	field := "Cache-Control"
	if head.Targeted != "" {
		field, section, option = head.Targeted, "RFC 9213 §2.2", "targeted"
	}
	switch head.LifetimeFrom {
	case httpcache.FromOverride:
		text, section, option = "the option ttl_override", "", "ttl_override"
	case httpcache.FromSMaxAge:
		text, section = "s-maxage in "+field, orElse(section, "RFC 9111 §5.2.2.10")
	case httpcache.FromMaxAge:
		text, section = "max-age in "+field, orElse(section, "RFC 9111 §5.2.2.1")
	case httpcache.FromExpires:
		text, section = "Expires", "RFC 9111 §5.3"
	case httpcache.FromTTL:
		text, section, option = "the option ttl", "", "ttl"
	case httpcache.FromHeuristic:
		text, section, option = "the time since Last-Modified, by the option heuristic", "RFC 9111 §4.2.2", "heuristic"
		if head.Lifetime == x.h.policy.HeuristicMax {
			text += ", which bounds it"
		}
	default:
		return "nothing: it is validated before each use", "RFC 9111 §4.2", ""
	}
	if limit := time.Duration(x.h.MaxTTL); limit > 0 && head.Lifetime == limit+head.InitialAge {
		text, option = text+", bounded by the option max_ttl", "max_ttl"
	}
	return text, section, option
}

// storedBecause says what let a response be stored (RFC 9111 §3).
func storedBecause(head *httpcache.Stored) stage {
	why := httpcache.Storable
	s := stage{Step: "store", Reason: why.String(), Text: why.Text(), Section: why.Section()}
	switch head.LifetimeFrom {
	case httpcache.FromOverride, httpcache.FromTTL:
		s.Option, s.Detail = head.LifetimeFrom.String(), "An option gives it a lifetime, and nothing forbids to store it."
	case httpcache.FromHeuristic:
		s.Detail = "Its status is cacheable by default (RFC 9110 §15.1) or it is public, and it says when it was modified."
	case httpcache.FromNothing:
		s.Detail = "It has a validator, by which it can be used again (RFC 9111 §4.3)."
	default:
		s.Detail = "The origin gives it a lifetime."
	}
	return s
}

// partText is the range of a part; "" for the whole.
func partText(head *httpcache.Stored) string {
	p := head.Part
	switch {
	case p == nil:
		return ""
	case p.Complete < 0:
		return fmt.Sprintf("bytes %d-%d/*", p.Start, p.Start+p.Length-1)
	}
	return fmt.Sprintf("bytes %d-%d/%d", p.Start, p.Start+p.Length-1, p.Complete)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// flagNames are the flags of a stored response, as options or directives know
// them.
func flagNames(head *httpcache.Stored) (names []string) {
	for _, f := range []struct {
		flag httpcache.Flags
		name string
	}{
		{httpcache.MustValidate, "validated before each use"},
		{httpcache.NeverStale, "never used stale"},
		{httpcache.ForAuthorized, "also for requests with Authorization"},
		{httpcache.Immutable, "immutable"},
		{httpcache.CodingUnsaid, "for all who take its coding"},
	} {
		if head.Is(f.flag) {
			names = append(names, f.name)
		}
	}
	return names
}
