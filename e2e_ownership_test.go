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

// askOwned asks for a page in one of the ways, and says what was not the owner's.
func (s *site) askOwned(ctx context.Context, page *ownedPage, owner string, random *rand.Rand) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	method, from, to := http.MethodGet, 0, -1
	way := random.IntN(8)
	if way == 0 {
		method = http.MethodHead
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url(page.path), nil)
	if err != nil {
		return err
	}
	if owner != "nobody" {
		r.Header.Set(page.knows, map[string]string{"Cookie": "id=" + owner, "Authorization": "Bearer " + owner, "Origin": "https://" + owner + ".test"}[page.knows])
		if r.Header.Get(page.knows) == "" {
			r.Header.Set(page.knows, owner+".test")
		}
	}
	switch way {
	case 1:
		r.Header.Set("Cache-Control", "no-cache")
	case 2:
		from = random.IntN(2000)
		to = from + 15 + random.IntN(500)
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to))
	case 3:
		r.Header.Set("If-None-Match", `"`+owner+`"`)
	case 4:
		r.Header.Set("Cache-Control", "max-stale")
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
	if way == 5 { // leaves in the middle
		_, _ = io.ReadFull(response.Body, make([]byte, 100))
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	for _, whose := range []string{owner, "nobody"} { // what is given to nobody in particular is everybody's
		want := page.content(whose)
		switch {
		case response.StatusCode == http.StatusNotModified || method == http.MethodHead:
			want = ""
		case response.StatusCode == http.StatusPartialContent && to >= 0:
			want = want[from : to+1]
		}
		if string(body) == want {
			return nil
		}
	}
	return fmt.Errorf("%d %s: %d bytes that begin with %.32q", response.StatusCode, response.Header.Get("Cache-Status"), len(body), body)
}
