package bots

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"
)

// A Crawler is one entry of the catalog.
type Crawler struct {
	Name string // as its owner writes it
	// Token is what its User-Agent contains, as a word of its own and in any
	// case.
	Token  string
	Groups Groups
	// Verify says how to find out that a client is the crawler; the zero value:
	// its owner gives no way.
	Verify Verification
	// Source is the URL of the page where the owner documents all this.
	Source string

	index int
}

// A Verification says which clients are the crawler.
type Verification struct {
	// Ranges are URLs of the address ranges that its owner publishes.
	Ranges []string `json:"ranges,omitempty"`
	// Domains end the name that a reverse DNS look-up gives; the name must lead
	// back to the address (forward-confirmed reverse DNS).
	Domains []string `json:"domains,omitempty"`
}

// Possible reports whether there is a way to verify at all.
func (v Verification) Possible() bool { return len(v.Ranges)+len(v.Domains) > 0 }

// maxCrawlers bounds a catalog, so that a Match is a value of fixed size.
const maxCrawlers = 256

// A Catalog is a set of known crawlers with a matcher for all their tokens. It
// is immutable and safe for concurrent use.
type Catalog struct {
	crawlers []Crawler
	tokens   *automaton
}

//go:embed crawlers.json
var crawlersJSON []byte

// Default returns the catalog that Portico keeps.
var Default = sync.OnceValue(func() *Catalog {
	c, err := Read(crawlersJSON)
	if err != nil {
		panic("filter/bots/crawlers.json: " + err.Error()) // held by a test
	}
	return c
})

// Read makes a catalog of JSON: an array of objects with name, token (default:
// the name), groups, verify and source.
func Read(data []byte) (*Catalog, error) {
	var entries []struct {
		Name   string       `json:"name"`
		Token  string       `json:"token"`
		Groups []string     `json:"groups"`
		Verify Verification `json:"verify"`
		Source string       `json:"source"`
	}
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, err
	}
	crawlers := make([]Crawler, 0, len(entries))
	for _, e := range entries {
		c := Crawler{Name: e.Name, Token: e.Token, Verify: e.Verify, Source: e.Source}
		if c.Token == "" {
			c.Token = c.Name
		}
		for _, name := range e.Groups {
			g, err := ParseGroup(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.Name, err)
			}
			c.Groups |= g
		}
		crawlers = append(crawlers, c)
	}
	return New(crawlers)
}

// New makes a catalog.
func New(crawlers []Crawler) (*Catalog, error) {
	if len(crawlers) > maxCrawlers {
		return nil, fmt.Errorf("%d crawlers, more than %d", len(crawlers), maxCrawlers)
	}
	c := &Catalog{crawlers: append([]Crawler(nil), crawlers...)}
	tokens := make([]string, len(crawlers))
	for i := range c.crawlers {
		if c.crawlers[i].Token == "" || c.crawlers[i].Groups == 0 {
			return nil, fmt.Errorf("crawler %d (%q) needs a token and a group", i, c.crawlers[i].Name)
		}
		c.crawlers[i].index = i
		tokens[i] = c.crawlers[i].Token
	}
	c.tokens = newAutomaton(tokens)
	return c, nil
}

// All returns the crawlers of the catalog, which must not be changed.
func (c *Catalog) All() []Crawler { return c.crawlers }

// Match finds every crawler that a User-Agent declares. It reads the text once
// and allocates nothing.
func (c *Catalog) Match(userAgent string) Match {
	m := Match{catalog: c}
	m.found = c.tokens.find(userAgent)
	for i := range m.found.each {
		m.groups |= c.crawlers[i].Groups
	}
	return m
}

// A Match is what a User-Agent declares.
type Match struct {
	catalog *Catalog
	found   bitset
	groups  Groups
}

// Groups returns the groups of all crawlers declared; 0: none is known.
func (m Match) Groups() Groups { return m.groups }

// Each yields the crawlers declared, in the order of the catalog.
func (m Match) Each(yield func(*Crawler) bool) {
	for i := range m.found.each {
		if !yield(&m.catalog.crawlers[i]) {
			return
		}
	}
}

// Name returns the name of the first crawler declared, for logs; empty: none.
func (m Match) Name() string {
	for c := range m.Each {
		return c.Name
	}
	return ""
}
