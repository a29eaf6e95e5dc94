package portico_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The access log says of every request what the cache did, in the words of the
// placeholders.
func TestAccessLogFields(t *testing.T) {
	origin := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", r.URL.Query().Get("cc"))
		fmt.Fprint(w, "hello")
	})
	s := startSite(t, origin.addr, siteConfig{
		http: "log {\noutput file $DIR/access.log\n}\n@never query never=*\nresponse_cache {\nbypass @never\n}\nreverse_proxy $ORIGIN",
	})
	s.get("/a?cc=max-age=60")
	s.get("/a?cc=max-age=60")
	s.get("/a?cc=no-store")
	s.get("/a?cc=no-store&never=1")
	var got []string
	for _, entry := range readLog(t, filepath.Join(s.dir, "access.log"), 4) {
		fields, ok := entry["response_cache"].(map[string]any)
		if !ok {
			t.Fatalf("no field response_cache in %v", entry)
		}
		got = append(got, fmt.Sprint(fields["status"], " ", fields["reason"]))
		_, hasAge := fields["age"].(float64)
		if want := fields["status"] == "hit"; want && !hasAge {
			t.Errorf("no age in %v", fields)
		}
	}
	want := []string{"miss uri-miss", "hit fresh", "pass no-store", "bypass bypassed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status and reason (-want +got):\n%s", diff)
	}
}

// readLog waits until a log has n entries: Caddy writes one after the answer.
func readLog(t *testing.T, file string, n int) (entries []map[string]any) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); pause(t.Context(), time.Millisecond) {
		text, _ := os.ReadFile(file)
		lines := strings.SplitAfter(string(text), "\n")
		lines = lines[:len(lines)-1]
		if len(lines) < n {
			continue
		}
		for _, line := range lines {
			var entry map[string]any
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatal(err)
			}
			entries = append(entries, entry)
		}
		return entries
	}
	t.Fatalf("the log has not got %d entries", n)
	return nil
}
