package filter

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-portico/portico/filter/list"
	"github.com/caddy-portico/portico/internal/admin"
	"github.com/caddy-portico/portico/internal/route"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "filter",
		Short: "Shows and changes who the request_filter of a running Caddy keeps out",
		Long: `
Asks the admin endpoint of a running Caddy about its request_filter: who is
banned, who is blocked most, in what state the address lists are, and what would
become of a request. Bans can be set and lifted; that counts at once, on all
sites, and stays through reloads.

The address of the endpoint is that of --address or, if not given, the one in
the file of --config, or the default.`,
		CobraFunc: setUpCommand,
	})
}

func setUpCommand(cmd *cobra.Command) {
	admin.SetUp(cmd)
	cmd.AddCommand(
		&cobra.Command{
			Use: "bans", Short: "Lists who is banned, those first whose ban ends first", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return admin.Ask(cmd, admin.Question{Path: adminPath + "/bans"}, admin.Answer(printBans))
			},
		},
		banCommand(),
		&cobra.Command{
			Use: "unban <address or range>", Short: "Lifts a ban", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return admin.Ask(cmd, admin.Question{Method: http.MethodDelete, Path: adminPath + "/bans/" + url.PathEscape(args[0])}, nothing)
			},
		},
		&cobra.Command{
			Use: "lists", Short: "Shows the state of address lists and databases", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return admin.Ask(cmd, admin.Question{Path: adminPath + "/lists"}, admin.Answer(printLists))
			},
		},
		&cobra.Command{
			Use: "top", Short: "Shows why and whose requests are blocked most", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return admin.Ask(cmd, admin.Question{Path: adminPath + "/top"}, admin.Answer(printTop))
			},
		},
		testCommand(),
	)
}

func banCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ban <address or range> [--for <duration>] [--reason <text>]", Short: "Bans an address or a range", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := admin.JSON(http.MethodPost, adminPath+"/bans", banRequest{
				Address: args[0], For: admin.Flag(cmd, "for"), Reason: admin.Flag(cmd, "reason"),
			})
			if err != nil {
				return err
			}
			return admin.Ask(cmd, q, admin.Answer(printBan))
		},
	}
	cmd.Flags().StringP("for", "", "1h", "How long, such as 30m, 12h or 7d")
	cmd.Flags().StringP("reason", "", "by hand", "Why, for those who look at the list")
	return cmd
}

func testCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test <url> [-H '<name>: <value>']... [-X <method>] [--client <address>]",
		Short: "Says what the filter would do with a request, and why",
		Long: `
Says what the filters of the running configuration would do with a request for
an absolute URL: which of them it comes to, and what each of their steps says of
it. Nothing is counted, nobody is banned, and the origin is not asked.`,
		Example: `caddy filter test 'https://example.com/a/..%2f.env' --client 203.0.113.7`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form := url.Values{"url": args}
			form["header"], _ = cmd.Flags().GetStringArray("header")
			for _, name := range []string{"method", "client"} {
				if value := admin.Flag(cmd, name); value != "" {
					form.Set(name, value)
				}
			}
			return admin.Ask(cmd, admin.Form(adminPath+"/test", form), admin.Answer(printTest))
		},
	}
	cmd.Flags().StringArrayP("header", "H", nil, "A field of the request; may be given more than once")
	cmd.Flags().StringP("method", "X", "", "The method of the request (default GET)")
	cmd.Flags().StringP("client", "", "", "The address of the client (default "+route.TestNet+")")
	return cmd
}

func nothing(io.Writer, []byte) error { return nil }

func printBans(w io.Writer, bans []banState) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ADDRESS\tUNTIL\tBY\tREASON")
	for _, b := range bans {
		by := "hand"
		if b.Automatic {
			by = fmt.Sprintf("filter, level %d", b.Level)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%q\n", b.Address, b.Until.Format(time.RFC3339), by, b.Reason)
	}
	return table.Flush()
}

func printBan(w io.Writer, b banState) error {
	_, err := fmt.Fprintf(w, "%s is banned until %s\n", b.Address, b.Until.Format(time.RFC3339))
	return err
}

func printLists(w io.Writer, all listsState) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LIST\tSOURCE\tRANGES\tCHECKED\tSTATE")
	for _, l := range all.Lists {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", l.Name, l.Source, l.Ranges, when(l.Checked), inWords(l))
	}
	for _, db := range all.Databases {
		fmt.Fprintf(table, "geoip\t%s\t%d\t%s\t%s\n", db.File, db.Nodes, when(db.Since), orDefault(db.Error, "good"))
	}
	if r := all.Redis; r != nil {
		state := "down"
		if r.Up {
			state = "up"
		}
		fmt.Fprintf(table, "redis\t%s\t\t\t%s\n", r.Address, state)
	}
	return table.Flush()
}

func inWords(l list.State) string {
	switch {
	case l.Error != "":
		return l.Error
	case l.SaveError != "":
		return "not on the disk: " + l.SaveError
	}
	return "good"
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.RFC3339)
}

func printTop(w io.Writer, all topState) error {
	fmt.Fprintf(w, "%d requests blocked since %s\n", all.Blocked, all.Began.Format(time.RFC3339))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range all.Reasons {
		fmt.Fprintf(table, "  %s\t%d\n", r.Reason, r.Count)
	}
	fmt.Fprintf(table, "\nsince %s\nCLIENT\tBLOCKED\tLAST\tBANNED\n", all.Since.Format(time.RFC3339))
	for _, c := range all.Clients {
		fmt.Fprintf(table, "%s\t%d\t%s\t%t\n", c.Address, c.Count, c.Last.Format(time.RFC3339), c.Banned)
	}
	return table.Flush()
}

func printTest(w io.Writer, e explanation) error {
	fmt.Fprintf(w, "%s %s from %s\n", e.Method, e.URL, e.Client)
	for _, h := range e.Handlers {
		h.print(w)
	}
	for _, a := range e.Answers {
		fmt.Fprintf(w, "\nanswered by %s\n", a)
	}
	for _, n := range e.Notes {
		fmt.Fprintf(w, "- %s\n", n)
	}
	return nil
}

func (h *explained) print(w io.Writer) {
	fmt.Fprintf(w, "\nrequest_filter at %s", h.Place)
	if len(h.Hosts) > 0 {
		fmt.Fprintf(w, " for %s", strings.Join(h.Hosts, ", "))
	}
	fmt.Fprintf(w, "\n  %s", strings.ToUpper(h.Action))
	switch {
	case h.Answer != "":
		fmt.Fprintf(w, " (%s)", h.Answer)
	case h.Status != 0:
		fmt.Fprintf(w, " with %d", h.Status)
	}
	fmt.Fprintf(w, "\n  address: %s\n", h.Address)
	for _, f := range h.Findings {
		fmt.Fprintf(w, "  %s: %s %s: %s\n", f.Step, f.Action, strings.TrimSpace(f.Reason+" "+f.Rule), f.Text)
	}
	if h.Score > 0 {
		fmt.Fprintf(w, "  score %d of %d\n", h.Score, h.Threshold)
	}
	if len(h.Tags) > 0 {
		fmt.Fprintf(w, "  tags %s\n", strings.Join(h.Tags, ", "))
	}
}
