package portico_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
)

// barrier lets requests go on when enough of them are there at once.
type barrier struct {
	board
	present, most int
}

// enter waits until want requests are present together.
func (b *barrier) enter(ctx context.Context, want int) bool {
	b.update(func() {
		b.present++
		b.most = max(b.most, b.present)
	})
	defer b.update(func() { b.present-- })
	return b.until(ctx, func() bool { return b.most >= want })
}

// what is one client's is never another's, and
// concurrent requests for it do not queue. On the cold key all wait for the head
// of the first answer, for only that can say; then all go to the origin at once.
func TestPersonalAnswersAreNeitherSharedNorQueued(t *testing.T) {
	for _, field := range [][2]string{
		{"Cache-Control", "no-store"},
		{"Cache-Control", "private, max-age=600"},
		{"Cache-Control", ""},
		{"Set-Cookie", "session=$ID"},
		{"Vary", "*"},
	} {
		t.Run(field[0]+" "+field[1], func(t *testing.T) { testPersonal(t, field) })
	}
	t.Run("Authorization", func(t *testing.T) {
		testPersonal(t, [2]string{"Cache-Control", "max-age=600"}, "Authorization", "Bearer $ID")
	})
}

func testPersonal(t *testing.T, field [2]string, asked ...string) {
	cold, warm := new(barrier), new(barrier)
	var origin *testOrigin
	origin = startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Client")
		if field[0] != "Cache-Control" {
			w.Header().Set("Cache-Control", "max-age=600")
		}
		w.Header().Set(field[0], expandID(field[1], id))
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		switch n := origin.requests.Load(); {
		case r.Header.Get("X-Wave") == "warm":
			warm.enter(ctx, clients)
		case n > 1:
			cold.enter(ctx, clients-1)
		}
		fmt.Fprintf(w, "of client %s", id)
	})
	s := startSite(t, origin.addr, siteConfig{})
	wave := func(name string, b *barrier, together int) {
		var crowd []*exchange
		for i := range clients {
			id := fmt.Sprintf("%s-%d", name, i)
			fields := []string{"X-Client", id, "X-Wave", name}
			for _, f := range asked {
				fields = append(fields, expandID(f, id))
			}
			crowd = append(crowd, s.sendTo("/a", fields...))
		}
		for i, e := range crowd {
			s.wait(e, "the end", func() bool { return e.done })
			id := fmt.Sprintf("%s-%d", name, i)
			if got, want := string(e.body), "of client "+id; e.err != nil || got != want {
				t.Errorf("client %s got %q, %v", id, got, e.err)
			}
			if got := e.header.Get("Set-Cookie"); field[0] == "Set-Cookie" && got != "session="+id {
				t.Errorf("client %s got the cookie %q", id, got)
			}
		}
		if b.most < together {
			t.Errorf("%s key: %d requests at the origin at once, want %d", name, b.most, together)
		}
	}
	wave("cold", cold, clients-1)
	wave("warm", warm, clients)
}

func expandID(text, id string) string {
	if n := len(text) - len("$ID"); n >= 0 && text[n:] == "$ID" {
		return text[:n] + id
	}
	return text
}

// A key whose answers become storable is stored again soon, without waiting
// for the memory of the pass to fade.
func TestPassIsForgottenWhenStorable(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", r.Header.Get("X-Answer"))
		fmt.Fprint(w, "hello")
	})
	s := startSite(t, origin.addr, siteConfig{})
	s.get("/a", "X-Answer", "no-store")
	s.get("/a", "X-Answer", "max-age=600") // may pass, but must be noticed
	s.get("/a", "X-Answer", "max-age=600")
	s.hitWith("/a", []byte("hello"))
}
