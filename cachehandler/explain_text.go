package cachehandler

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// This file writes an explanation for people.

func printExplanation(w io.Writer, e explanation) error {
	p := printer{w}
	p.line(0, "%s %s", e.Method, e.URL)
	for _, v := range e.Handlers {
		p.verdict(v)
	}
	p.line(0, "")
	if len(e.Handlers) == 0 {
		p.line(0, "The request comes to no response_cache.")
	}
	for _, a := range e.Answers {
		p.line(0, "What answers it, if no store does: %s", a)
	}
	p.others(e)
	for _, n := range e.Notes {
		p.line(0, "Note: %s", n)
	}
	return nil
}

type printer struct{ w io.Writer }

// maxOthers bounds the handlers that are listed though the request does not come to them:
// a server may have hundreds of sites.
const maxOthers = 8

// others lists those for the host of the URL first.
func (p printer) others(e explanation) {
	host := ""
	if target, err := url.Parse(e.URL); err == nil {
		host = target.Hostname()
	}
	others := slices.Clone(e.Others)
	slices.SortStableFunc(others, func(a, b elsewhere) int {
		return cmp.Compare(strangeness(a, host), strangeness(b, host))
	})
	for _, o := range others[:min(len(others), maxOthers)] {
		title := "Not on its way"
		if strings.Contains(o.Place, "/errors/routes/") {
			title = "On the way of errors only"
		}
		p.line(0, "%s: %s (store %s) at %s%s", title, o.Name, o.Store, o.Place, forHosts(o.Hosts))
	}
	if more := len(others) - maxOthers; more > 0 {
		p.line(0, "Not on its way: %d more, which --json lists", more)
	}
}

// strangeness is 0 for a handler of the host, 1 for one of all hosts, 2 for one of others.
func strangeness(o elsewhere, host string) int {
	switch {
	case slices.ContainsFunc(o.Hosts, func(h string) bool {
		_, parent, _ := strings.Cut(host, ".")
		return strings.EqualFold(h, host) || strings.EqualFold(h, "*."+parent)
	}):
		return 0
	case len(o.Hosts) == 0:
		return 1
	}
	return 2
}

func (p printer) line(depth int, format string, args ...any) {
	fmt.Fprintln(p.w, strings.Repeat("  ", depth)+printable(fmt.Sprintf(format, args...)))
}

func (p printer) verdict(v *verdict) {
	p.line(0, "")
	p.line(0, "%s at %s (store %s, %s)%s", v.Name, v.Place, v.Store, v.Tier, forHosts(v.Hosts))
	if v.Inside != "" {
		p.line(1, "It is inside the one at %s, whose fetches for the same store it lets through.", v.Inside)
	}
	if v.Behind != "" {
		p.line(1, "The one at %s answers; the request comes here only if that asks the origin.", v.Behind)
	}
	for _, b := range v.Before {
		p.line(1, "Before it, and taken to let the request through: %s", b)
	}
	for _, u := range v.Unsure {
		p.line(1, "%s", u)
	}
	p.line(1, "%s: %s", strings.ToUpper(v.Result), v.Then)
	p.line(0, "")
	for _, s := range v.Steps {
		p.line(1, "%-20s %s", s.Step, s.sentence())
	}
	if v.Result == "none" {
		return
	}
	if v.Origin != nil {
		p.line(1, "%-20s %s", "asks the origin", v.Origin.sentence())
	}
	p.line(1, "%-20s %s", "key", v.Key)
	if v.Fetches > 0 {
		p.line(1, "%-20s on their way: %d, the oldest for %s; requests that wait: %d", "fetches", v.Fetches, inSeconds(v.Oldest), v.Waiting)
	}
	p.variants(v)
	p.refusals(v)
	p.drops(v)
}

func (s stage) sentence() string {
	var parts []string
	if s.Reason != "" {
		parts = append(parts, s.Reason+": "+s.Text)
	}
	if s.Section != "" {
		parts = append(parts, "("+s.Section+")")
	}
	if s.Detail != "" {
		parts = append(parts, s.Detail)
	}
	if s.Option != "" {
		parts = append(parts, strings.TrimSpace(byOption(s.Option)))
	}
	return strings.Join(parts, " ")
}

func (p printer) variants(v *verdict) {
	p.line(0, "")
	p.line(1, "Stored under the key: %d", len(v.Variants))
	for _, s := range v.Variants {
		mark := "-"
		if s.Selected {
			mark = "*"
		}
		size := fmt.Sprintf("%d bytes", s.Bytes)
		if s.Part != "" {
			size = s.Part
		}
		if !s.Complete {
			size += fmt.Sprintf(", %d of them so far", s.Bytes)
		}
		p.line(1, "%s %d, %s, stored %s", mark, s.Status, size, s.StoredAt.Format(time.RFC3339))
		if s.Key != "" {
			p.line(3, "under %s, for all URLs that are the same by its No-Vary-Search", s.Key)
		}
		p.line(3, "stored because: %s", s.Stored.Detail)
		p.line(3, "%s old, lifetime %s by %s%s", inSeconds(s.Age), inSeconds(s.Lifetime), s.FromText, inBrackets(s.Section))
		p.line(3, "%s", s.usable())
		p.list("validators: ", s.validators())
		for _, f := range s.Vary {
			p.line(3, "%s", f.sentence())
		}
		if !s.Selected {
			p.line(3, "%s", s.unselected())
		}
		p.list("", s.Flags)
		p.list("tags: ", s.Tags)
		p.list("groups: ", s.Groups)
	}
}

// usable is for how long a response is used, and when it is used stale.
func (s variant) usable() string {
	said, uses := "fresh for "+inSeconds(s.TTL)+", then", []string{}
	if s.TTL < 0 {
		said = "stale for " + inSeconds(-s.TTL) + ","
	}
	if s.Revalidate > 0 {
		uses = append(uses, "for "+inSeconds(s.Revalidate)+" while it is refreshed")
	}
	if s.OnError > 0 {
		uses = append(uses, "for "+inSeconds(s.OnError)+" if the origin fails")
	}
	if len(uses) == 0 {
		return said + " not used stale"
	}
	return said + " used stale " + strings.Join(uses, ", ")
}

func (s variant) validators() (lines []string) {
	for _, name := range []string{"Etag", "Last-Modified"} {
		for _, value := range s.Fields[name] {
			lines = append(lines, name+": "+value)
		}
	}
	return lines
}

func (o *originFetch) sentence() string {
	said := o.Method
	if len(o.Fields) > 0 {
		said += " with " + fieldLines(o.Fields)
	}
	if len(o.Without) > 0 {
		said += ", without the request's " + strings.Join(o.Without, ", ")
	}
	return said
}

// printable is s as a terminal may show it.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsGraphic(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\x%02x`, r)
		}
	}
	return b.String()
}

func (s variant) unselected() string {
	if s.Matches && s.Part != "" {
		return "a part, which has not all that is asked for, or is not the newest that has"
	}
	if s.Matches {
		return "not the one: another that the request selects is newer, or closer to what it asks for; or this is not for it: " + s.Reuse.sentence()
	}
	return "not for this request, by Vary (RFC 9111 §4.1)"
}

func (p printer) list(title string, words []string) {
	if len(words) > 0 {
		p.line(3, "%s%s", title, strings.Join(words, ", "))
	}
}

func (f varied) sentence() string {
	if f.Option == varyIgnore {
		return "Vary: " + f.Field + " makes no difference" + byOption(f.Option)
	}
	verb := "selects it"
	if !f.Matches {
		verb = "does not select it"
	}
	named, option := "Vary", byOption(f.Option)
	if f.Implied {
		named, option = "Vary, though the origin does not say so", option+byOption(varyIgnore)
	}
	return fmt.Sprintf("%s: %s is for %s; the request's %s %s%s", named, f.Field, quoted(f.Stored), quoted(f.Request), verb, option)
}

func quoted(value *string) string {
	if value == nil {
		return "(none)"
	}
	return fmt.Sprintf("%q", *value)
}

func (p printer) refusals(v *verdict) {
	p.line(0, "")
	if len(v.Refusals) == 0 {
		p.line(1, "No answer under the key is known that could not be stored.")
	}
	for _, r := range v.Refusals {
		with := "without Authorization, Cookie and Range"
		if len(r.With) > 0 {
			with = "with " + strings.Join(r.With, ", ")
		}
		passes := "such requests wait for each other again"
		if r.Passes {
			passes = "such requests pass for " + inSeconds(r.PassesFor) + " more"
		}
		p.line(1, "Not stored %s ago, for a request %s: %s: %s%s; %s.", inSeconds(r.Ago), with, r.Reason, strings.TrimSuffix(r.Text, "."), inBrackets(r.Section)+byOption(r.Option), passes)
	}
}

func (p printer) drops(v *verdict) {
	p.line(0, "")
	p.line(1, "A purge of the URL, or a successful POST, PUT or DELETE, drops %d.", v.Drops.URL)
	if h := v.Drops.Host; h != nil {
		p.line(1, "A purge of the host %s drops %d.", h.Host, h.Objects)
	}
	for _, d := range v.Drops.Prefixes {
		p.line(1, "A purge of the prefix %s drops %d.", d.Prefix, d.Objects)
	}
	for _, t := range v.Drops.Tags {
		if t.Origin != "" {
			p.line(1, "Invalidation of the group %q of %s drops %d.", t.Tag, t.Origin, t.Objects)
		} else {
			p.line(1, "A purge of the tag %q drops %d.", t.Tag, t.Objects)
		}
	}
	if v.Drops.TagsOmitted > 0 {
		p.line(1, "%d more tags are not counted.", v.Drops.TagsOmitted)
	}
}

func forHosts(hosts []string) string {
	if len(hosts) == 0 {
		return ""
	}
	return " for " + strings.Join(hosts[:min(len(hosts), 5)], " ")
}

// inSeconds is a time for people: "8760h0m0s" is a year to nobody.
func inSeconds(n int64) string {
	const day = 24 * 60 * 60
	switch days, rest := n/day, time.Duration(n%day)*time.Second; {
	case days == 0:
		return rest.String()
	case rest == 0:
		return fmt.Sprintf("%dd", days)
	default:
		return fmt.Sprintf("%dd%s", days, rest)
	}
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func byOption(name string) string {
	if name == "" {
		return ""
	}
	return " [option " + name + "]"
}
