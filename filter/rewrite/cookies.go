package rewrite

import (
	"slices"
	"strings"
)

// A Cookie is a Set-Cookie field taken apart (RFC 6265 §5.2): nothing of it is
// lost or put in another order.
type Cookie struct {
	Name, Value string // Value with its quotes and spaces
	named       bool   // there is a "="
	attributes  []string
}

// ParseCookie takes a field apart.
func ParseCookie(field string) Cookie {
	pair, rest, _ := strings.Cut(field, ";")
	var c Cookie
	c.Name, c.Value, c.named = strings.Cut(pair, "=")
	c.Name = strings.TrimSpace(c.Name)
	if rest != "" {
		c.attributes = strings.Split(rest, ";")
	}
	return c
}

// String puts the field together.
func (c Cookie) String() string {
	var b strings.Builder
	b.WriteString(c.Name)
	if c.named {
		b.WriteString("=" + c.Value)
	}
	for _, a := range c.attributes {
		b.WriteString(";" + a)
	}
	return b.String()
}

func attribute(text string) (name, value string) {
	name, value, _ = strings.Cut(text, "=")
	return strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
}

// Get returns the attribute that counts, the last one of the name.
func (c *Cookie) Get(name string) (value string, ok bool) {
	for _, text := range c.attributes {
		if n, v := attribute(text); n == name {
			value, ok = v, true
		}
	}
	return value, ok
}

// Delete removes an attribute.
func (c *Cookie) Delete(name string) {
	c.attributes = slices.DeleteFunc(c.attributes, func(text string) bool {
		n, _ := attribute(text)
		return n == name
	})
}

// Set replaces an attribute, by its name as it is written; without a value it is a flag.
func (c *Cookie) Set(name, value string) {
	c.Delete(strings.ToLower(name))
	if value != "" {
		name += "=" + value
	}
	c.attributes = append(c.attributes, " "+name)
}

// Lead makes a cookie one of the site: a Domain behind it is left out, which makes
// it a cookie of the host that was asked, and its Path is led by the rules.
func (m Map) Lead(c *Cookie) (changed bool) {
	if domain, ok := c.Get("domain"); ok && domain != "" && m.Behind(domain) {
		c.Delete("domain")
		changed = true
	}
	if path, ok := c.Get("path"); ok {
		if led, ok := m.Path(path); ok {
			c.Set("Path", led)
			changed = true
		}
	}
	return changed
}
