package portico_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// ownedPage is a kind of page of which every client has its own: by what an origin
// knows the client, and what it says about caching.
type ownedPage struct {
	path   string
	knows  string   // the request field; the owner is in its value
	fields []string // of the answer; $OWNER is the owner
	etag   bool     // of the owner's own, compared by the origin
}

var ownedPages = []ownedPage{
	{"/private", "Cookie", []string{"Cache-Control: private, max-age=60"}, false},
	{"/no-store", "Cookie", []string{"Cache-Control: no-store"}, false},
	{"/estimated", "Cookie", []string{"Last-Modified: Mon, 02 Jan 2006 15:04:05 GMT"}, false},
	{"/sets", "Cookie", []string{"Cache-Control: max-age=60", "Set-Cookie: seen=$OWNER"}, false},
	{"/vary", "Cookie", []string{"Cache-Control: max-age=60", "Vary: Cookie"}, false},
	{"/stale", "Cookie", []string{"Cache-Control: max-age=0, stale-while-revalidate=60", "Vary: Cookie"}, true},
	{"/validated", "Cookie", []string{"Cache-Control: no-cache"}, true},
	{"/account/x.css", "Cookie", []string{"Cache-Control: public, max-age=60", "Content-Type: text/html"}, false},
	{"/account/x.png;y", "Cookie", []string{"Cache-Control: public, max-age=60", "Content-Type: application/json"}, false},
	{"/static/..%5caccount", "Cookie", []string{"Cache-Control: public, max-age=60"}, false},
	{"/refused", "Cookie", []string{"Status: 403", "Cache-Control: max-age=60"}, false},
	{"/broken", "Cookie", []string{"Status: 500", "Cache-Control: max-age=60"}, false},
	{"/authorized", "Authorization", []string{"Cache-Control: max-age=60"}, false},
	{"/authorized/validated", "Authorization", []string{"Cache-Control: max-age=0, must-revalidate"}, true},
	{"/api/me.css", "Authorization", []string{"Cache-Control: public, max-age=60", "Content-Type: application/json"}, false},
	{"/key", "X-Api-Key", []string{"Cache-Control: max-age=60"}, false},
	{"/let-through", "Remote-User", []string{"Cache-Control: max-age=60", "Content-Type: text/html"}, false},
	{"/fragment", "Hx-Target", []string{"Cache-Control: max-age=60"}, true},
	{"/opened", "Origin", []string{"Cache-Control: max-age=60", "Access-Control-Allow-Origin: https://$OWNER.test"}, false},
	{"/led", "X-Unheard-Of", []string{"Status: 302", "Cache-Control: max-age=60", "Location: https://$OWNER.test/"}, false},
	{"/split", "Cookie", []string{`Cache-Control: private="X-Owner", max-age=60`, "X-Owner: $OWNER", "Vary: Cookie"}, false},
}

// content says on every sixteenth byte whose it is.
func (p *ownedPage) content(owner string) string {
	return strings.Repeat(fmt.Sprintf("%-15s\n", owner), 200+len(p.path))
}

func (p *ownedPage) answer(w http.ResponseWriter, r *http.Request) {
	owner := ownerIn(r.Header.Get(p.knows))
	status := http.StatusOK
	for _, field := range p.fields {
		name, value, _ := strings.Cut(strings.ReplaceAll(field, "$OWNER", owner), ": ")
		if name == "Status" {
			_, _ = fmt.Sscan(value, &status)
			continue
		}
		w.Header().Add(name, value)
	}
	if p.etag {
		w.Header().Set("Etag", `"`+owner+`"`)
		if strings.Contains(r.Header.Get("If-None-Match"), `"`+owner+`"`) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(status)
	content := p.content(owner)
	_, _ = io.WriteString(w, content[:1600])
	_ = http.NewResponseController(w).Flush()
	_, _ = io.WriteString(w, content[1600:])
}

// ownerIn finds "ownerNN" in a value.
func ownerIn(value string) string {
	if at := strings.Index(value, "owner"); at >= 0 && len(value) >= at+7 {
		return value[at : at+7]
	}
	return "nobody"
}

// Many clients ask for pages of which everybody has their own, in all ways there
// are, at once: none ever gets a byte of another's, nor a field.
func TestOwnership(t *testing.T) {
	byPath := map[string]*ownedPage{}
	for i := range ownedPages {
		byPath[ownedPages[i].path] = &ownedPages[i]
	}
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) { byPath[r.URL.EscapedPath()].answer(w, r) })
	s := startSite(t, origin.addr, siteConfig{})
	var wg sync.WaitGroup
	for client := range 12 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(client)))
			owner := fmt.Sprintf("owner%02d", client)
			if client%4 == 0 {
				owner = "nobody"
			}
			for range 150 {
				page := &ownedPages[random.IntN(len(ownedPages))]
				if err := s.askOwned(t.Context(), page, owner, random); err != nil {
					t.Errorf("%s of %s: %v", page.path, owner, err)
				}
			}
		})
	}
	wg.Wait()
}

// ownedWay is one of the ways to ask for a page.
type ownedWay struct {
	method   string
	from, to int    // of the range; to is -1 for none
	field    string // of the request, if not of the range
	leaves   bool   // the client, in the middle
}

func anyWay(owner string, random *rand.Rand) ownedWay {
	way := ownedWay{method: http.MethodGet, to: -1}
	switch random.IntN(8) {
	case 0:
		way.method = http.MethodHead
	case 1:
		way.field = "Cache-Control: no-cache"
	case 2:
		way.from = random.IntN(2000)
		way.to = way.from + 15 + random.IntN(500)
		way.field = fmt.Sprintf("Range: bytes=%d-%d", way.from, way.to)
	case 3:
		way.field = `If-None-Match: "` + owner + `"`
	case 4:
		way.field = "Cache-Control: max-stale"
	case 5:
		way.leaves = true
	}
	return way
}

// request is one by which the origin knows the owner.
func (p *ownedPage) request(ctx context.Context, s *site, way ownedWay, owner string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, way.method, s.url(p.path), nil)
	if err != nil {
		return nil, err
	}
	if name, value, ok := strings.Cut(way.field, ": "); ok {
		r.Header.Set(name, value)
	}
	switch {
	case owner == "nobody":
	case p.knows == "Cookie":
		r.Header.Set("Cookie", "id="+owner)
	case p.knows == "Authorization":
		r.Header.Set("Authorization", "Bearer "+owner)
	case p.knows == "Origin":
		r.Header.Set("Origin", "https://"+owner+".test")
	default:
		r.Header.Set(p.knows, owner+".test")
	}
	return r, nil
}

// askOwned asks for a page in one of the ways, and says what was not the owner's.
func (s *site) askOwned(ctx context.Context, page *ownedPage, owner string, random *rand.Rand) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	way := anyWay(owner, random)
	r, err := page.request(ctx, s, way, owner)
	if err != nil {
		return err
	}
	response, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	for name, values := range response.Header {
		for _, value := range values {
			if found := ownerIn(value); found != "nobody" && found != owner {
				return fmt.Errorf("%s: %s", name, value)
			}
		}
	}
	if way.leaves {
		_, _ = io.ReadFull(response.Body, make([]byte, 100))
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	for _, whose := range []string{owner, "nobody"} { // what is given to nobody in particular is everybody's
		if string(body) == page.part(whose, way, response.StatusCode) {
			return nil
		}
	}
	return fmt.Errorf("%d %s: %d bytes that begin with %.32q", response.StatusCode, response.Header.Get("Cache-Status"), len(body), body)
}

// part is what of the content comes with a status.
func (p *ownedPage) part(owner string, way ownedWay, status int) string {
	content := p.content(owner)
	switch {
	case status == http.StatusNotModified || way.method == http.MethodHead:
		return ""
	case status == http.StatusPartialContent && way.to >= 0:
		return content[way.from : way.to+1]
	}
	return content
}
