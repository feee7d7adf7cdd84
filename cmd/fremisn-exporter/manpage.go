package main

import (
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

// writeManPage writes the page of --help-man. kingpin's own has all lines of --version in its head, and no description
// behind the name, which whatis and apropos look for.
func writeManPage(app *kingpin.Application) {
	const name = ".SH \"NAME\"\n{{.App.Name}}"
	page := strings.NewReplacer("{{.App.Version}}", version.Version, name, name+` \- {{.App.Help}}`).
		Replace(kingpin.ManPageTemplate)
	context, err := app.ParseContext(nil)
	app.FatalIfError(err, "")
	app.FatalIfError(app.UsageForContextWithTemplate(context, 2, page), "")
}
