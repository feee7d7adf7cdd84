package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// remedyTests has, for a part of each text that a remedy is made of, the test that does what it says. "advice" is for a
// sentence that says to do nothing, or nothing that a test can do.
func remedyTests() map[string]string {
	return map[string]string{
		// The config file and nginx.conf.
		"correct it first": "TestRemediesOfNodes", "give nginx.config: ": "TestRemediesOfNodes",
		"run this by sudo": "TestRemediesOfPermissions", "nginx -t says the same": "TestRemediesOfNodes",
		"mount all that nginx.conf includes":                              "TestRemediesOfMounts",
		"correct the path; the rest can be checked when this is right":    "TestRemediesOfNodes",
		"nothing to do if your NGINX knows it":                            "TestRemediesOfNodes",
		"write burst=":                                                    "TestRemediesOfFindings",
		"limit_req_status":                                                "TestRemediesOfFindings",
		"limit_conn_status":                                               "TestRemediesOfFindings",
		"error_log  warn;":                                                "TestRemediesOfFindings",
		"remove one of the two, the one with the higher level":            "TestRemediesOfFindings",
		"where a POST may be done twice":                                  "TestRemediesOfFindings",
		"write flush=1s to bound the wait, or leave buffer= and gzip out": "TestRemediesOfFindings",
		"remove if= where every request is to be counted":                 "TestRemediesOfFindings",
		"remove access_log off where requests are proxied":                "TestRemediesOfFindings",
		"proxy_http_version 1.1; ":                                        "TestRemediesOfFindings",
		"fastcgi_keep_conn on;":                                           "TestRemediesOfFindings",
		"remove keepalive: the protocol keeps no connections":             "TestRemediesOfFindings",
		"in the group makes the workers count together":                   "TestRemediesOfFindings",
		"max_fails=3 on each server, or ":                                 "TestRemediesOfFindings",
		"name NGINX's container in the config file: docker: NAME":         "TestRemedyOfStdout",
		"beside the proxy_set_header in line ":                            "TestRemediesOfFindings",
		// Logs.
		"write access_log ": "TestRemediesOfLogs", "nothing to do if NGINX has not run yet": "TestRemediesOfLogs",
		"prints --prefix; write the full path":              "TestRemedyOfRelativePath",
		"write the full path in nginx.conf: it may be ":     "TestRemedyOfRelativePath",
		"Else give the one it is written in":                "TestRemediesOfLogs",
		"is this an error_log of NGINX?":                    "TestRemediesOfLogs",
		"name it in nginx.… of the config file to count":    "TestRemediesOfLogs",
		"nothing to do; to have fewer lines":                "TestRemediesOfLogs",
		"remove one of the two":                             "TestRemediesOfLogs",
		"write it without gzip":                             "TestRemediesOfLogs",
		"change the log_format, or log in another format":   "TestRemediesOfLogs",
		" in the log_format, with the quotes":               "TestRemediesOfLogs",
		"{path: %q, name: %s, format: %s}":                  "TestRemediesOfLogs",
		"name the files in nginx.":                          "TestRemediesOfLogs",
		"write these files to a separate folder":            "TestRemediesOfLogs",
		"write it to a file":                                "TestRemediesOfLogs",
		"to receive it, name it in nginx.%s: {syslog: ":     "TestRemediesOfSyslog",
		"or a glob such as ":                                "TestRemediesOfLogs",
		"mount the folder that NGINX writes to: volumes: [": "TestRemediesOfMounts",
		"mount a volume on ":                                "TestRemediesOfMounts",
		"ls -ld ":                                           "TestRemediesOfLogs",
		"correct the path: it goes through a file":          "TestRemediesOfLogs",
		// Who may read.
		"sudo chmod o+%s %s; have logrotate":       "TestRemediesOfPermissions",
		"sudo chmod o+%s %s":                       "TestRemediesOfPermissions",
		", then start the exporter again":          "TestRemediesOfPermissions",
		"sudo chmod g+%s %s && %s":                 "TestRemediesOfPermissions",
		"sudo install -d -o ":                      "TestRemediesOfPermissions",
		"add the exporter's user to the group of ": "TestRemediesOfPermissions",
		// Nodes.
		"name it among the targets of a probe": "TestRemediesOfNodes", "name them in probes:": "TestRemediesOfNodes",
		"name the servers to probe in probes:": "TestRemediesOfNodes",
		"see every phase: fremisn-exporter ":   "TestRemedyOfANodeIsACommand",
		"correct modules: and probes:":         "advice", // of what no config has that is read without a fault
		"write its whole path in nginx.conf":   "TestRemediesOfNodes",
		// The status page and this host.
		"add to http { }: ": "TestStatusServerWorks", "see for yourself: curl -i ": "TestRemediesOfStatusPages",
		"is NGINX running, and with this configuration?": "TestRemediesOfStatusPages",
		"name a URL in nginx.status":                     "TestRemediesOfStatusPages",
		"write --web.listen-address=:9113":               "TestRemediesOfThisHost",
		"sudo ss -ltnp ":                                 "TestRemediesOfThisHost",
		"to go on with it, stop, and start with ":        "TestRootLeavesNoStateInTheCurrentFolder",
		"correct it, or leave out --web.config.file":     "TestRemediesOfThisHost",
		"give --storage.path a folder":                   "TestRemediesOfThisHost",
		"choose another with --storage.path":             "TestRemediesOfThisHost",
	}
}

// Every text of a remedy in the code has a test that does what it says.
func TestEveryRemedyIsTried(t *testing.T) {
	tests := testNames(t)
	tried := map[string]bool{}
	for text, at := range remedyTexts(t) {
		has := false
		for part := range remedyTests() {
			if strings.Contains(text, part) {
				has, tried[part] = true, true
			}
		}
		if !has {
			t.Errorf("%s: the remedy %q has no test", at, text)
		}
	}
	for part, name := range remedyTests() {
		if !tried[part] {
			t.Errorf("no remedy has the text %q", part)
		}
		if name != "advice" && !tests[name] {
			t.Errorf("%q: no test %s", part, name)
		}
	}
}

// testNames are the tests of this room and of the command.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, dir := range []string{".", "../.."} {
		eachFile(t, dir, func(name string, file *ast.File, _ *token.FileSet) {
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && strings.HasSuffix(name, "_test.go") {
					all[f.Name.Name] = true
				}
			}
		})
	}
	return all
}

func eachFile(t *testing.T, dir string, do func(name string, file *ast.File, files *token.FileSet)) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatal(err, dir)
	}
	files := token.NewFileSet()
	for _, name := range names {
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		do(name, file, files)
	}
}

// remedyTexts are the texts that remedies are made of, by place: what is assigned to a field Remedy, what functions
// return that are named so, and what the helpers take that make findings. Parts of one text have … between them.
func remedyTexts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, dir := range []string{".", "../settings", "../../../../collector/source"} {
		eachFile(t, dir, func(name string, file *ast.File, files *token.FileSet) {
			if strings.HasSuffix(name, "_test.go") {
				return
			}
			take := func(e ast.Node) {
				var parts []string
				ast.Inspect(e, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok { // arguments of other functions are reported for these
						f, isOwn := call.Fun.(*ast.Ident)
						return !isOwn || !strings.HasSuffix(strings.ToLower(f.Name), "remedy")
					}
					if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
						text, _ := strconv.Unquote(l.Value)
						parts = append(parts, text)
					}
					return true
				})
				if text := strings.Join(parts, "…"); len(text) > 1 {
					found[strings.ReplaceAll(text, " …", " ")] = files.Position(e.Pos()).String()
				}
			}
			ast.Inspect(file, func(n ast.Node) bool { remedyNode(n, take); return true })
		})
	}
	return found
}

// remedyNode gives take what of a node becomes a remedy.
func remedyNode(n ast.Node, take func(ast.Node)) {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Remedy" {
			take(n.Value)
		}
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			field, isField := left.(*ast.SelectorExpr)
			name, isName := left.(*ast.Ident)
			if (isField && field.Sel.Name == "Remedy" || isName && name.Name == "remedy") && i < len(n.Rhs) {
				take(n.Rhs[i])
			}
		}
	case *ast.CallExpr:
		switch f := n.Fun.(type) {
		case *ast.Ident:
			if at := map[string]int{"fact": 3, "ignore": 0}[f.Name]; f.Name == "fact" || f.Name == "ignore" {
				take(n.Args[at])
			}
		case *ast.SelectorExpr:
			if f.Sel.Name == "ignore" || f.Sel.Name == "fail" {
				take(n.Args[2])
			}
		}
	case *ast.FuncDecl:
		switch name := strings.ToLower(n.Name.Name); {
		case strings.HasSuffix(name, "remedy"), name == "grant", name == "unreadable", name == "unfollowable",
			name == "unprobed":
			ast.Inspect(n.Body, func(inner ast.Node) bool {
				if r, ok := inner.(*ast.ReturnStmt); ok && len(r.Results) > 0 {
					take(r.Results[len(r.Results)-1])
				}
				return true
			})
		}
	}
}
