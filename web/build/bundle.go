package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// entries are the scripts that a browser loads, by name in web/dist. What several of them need is in shared.js alone:
// Preact, signals, src/core and src/ui. The others import it from there.
var entries = map[string]string{
	"shared":    "src/shared.ts",
	"app":       "src/app.tsx",
	"rehearsal": "src/rehearsal.tsx",
	"compose":   "src/compose/main.tsx",
	"bulk":      "src/compose/bulk.tsx",
	"when":      "src/compose/when.tsx",
	"link":      "src/compose/link.tsx",
	"trouble":   "src/compose/trouble.tsx",
	"filelist":  "src/compose/filelist.tsx",
	"editor":    "src/editor/main.ts",
	"outbox":    "src/outbox/main.tsx",
	"settings":  "src/settings/index.tsx",
	"seldom":    "src/mail/seldom.tsx",
	"offline":   "src/offline/index.ts",
	"tour":      "src/tour/index.tsx",
}

// libraries are the packages of web/third_party, by the name under which the source imports them.
var libraries = map[string]string{
	"preact":                  "preact/dist/preact.mjs",
	"preact/hooks":            "preact/hooks/dist/hooks.mjs",
	"preact/jsx-runtime":      "preact/jsx-runtime/dist/jsxRuntime.mjs",
	"@preact/signals":         "@preact/signals/dist/signals.mjs",
	"@preact/signals-core":    "@preact/signals-core/dist/signals-core.mjs",
	"squire-rte":              "squire-rte/dist/squire-raw.mjs",
	"@simplewebauthn/browser": "@simplewebauthn/browser/esm/index.js",
}

// shared are the folders whose modules are in shared.js.
var shared = []string{"src/core/", "src/ui/", "third_party/preact/", "third_party/@preact/"}

// Bundle makes all files of web/dist from the folder web.
func Bundle(web string) (map[string][]byte, error) {
	web, err := filepath.Abs(web)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	names, err := script(files, web, "shared", entries["shared"], nil, nil)
	if err != nil {
		return nil, err
	}
	exports := shorten(files, names)
	for name, source := range entries {
		if name == "shared" {
			continue
		}
		if _, err := script(files, web, name, source, exports, nil); err != nil {
			return nil, err
		}
	}
	for _, add := range []func(map[string][]byte, string) error{style, texts, icons, worker} {
		if err := add(files, web); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// worker is the service worker, which shares nothing with the pages and knows all their files.
func worker(files map[string][]byte, web string) error {
	names, err := json.Marshal(slices.Sorted(maps.Keys(files)))
	if err != nil {
		return err
	}
	_, err = script(files, web, "worker", "src/worker/index.ts", nil, map[string]string{"FILES": string(names)})
	return err
}

func options(web string) api.BuildOptions {
	return api.BuildOptions{
		AbsWorkingDir: web, Bundle: true, Write: false, Outdir: "dist", LogLevel: api.LogLevelSilent,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, LegalComments: api.LegalCommentsNone, Charset: api.CharsetUTF8,
		Target: api.ES2022, Format: api.FormatESModule, JSX: api.JSXAutomatic, JSXImportSource: "preact",
	}
}

// script bundles one, which takes from shared.js what that exports; without exports it shares nothing. It returns its own.
func script(files map[string][]byte, web, name, source string, exports map[string]string, define map[string]string) ([]string, error) {
	o := options(web)
	o.Define = define
	if name == "editor" {
		o.MangleProps = "^_" // what Squire keeps to itself
	}
	o.Metafile = true
	o.EntryPointsAdvanced = []api.EntryPoint{{InputPath: source, OutputPath: name}}
	o.Plugins = []api.Plugin{sharing(web, exports)}
	result := api.Build(o)
	if err := add(files, result); err != nil {
		return nil, err
	}
	files[name+".js"] = trimImport(files[name+".js"])
	var made struct {
		Outputs map[string]struct{ Exports []string }
	}
	if err := json.Unmarshal([]byte(result.Metafile), &made); err != nil {
		return nil, err
	}
	return made.Outputs["dist/"+name+".js"].Exports, nil
}

var sharedExport = regexp.MustCompile(`export\{([^{}]*)\};?\s*$`)

// shorten gives what shared.js exports short names, since every other script repeats dozens of them. It returns them by those of
// the source.
func shorten(files map[string][]byte, exports []string) map[string]string {
	short := map[string]string{}
	for i, name := range slices.Sorted(slices.Values(exports)) {
		short[name] = "$" + strconv.FormatInt(int64(i), 36)
	}
	files["shared.js"] = sharedExport.ReplaceAllFunc(files["shared.js"], func(clause []byte) []byte {
		all := strings.Split(string(sharedExport.FindSubmatch(clause)[1]), ",")
		for i, one := range all {
			local, name, renamed := strings.Cut(one, " as ")
			if !renamed {
				name = local
			}
			all[i] = local + " as " + short[name]
		}
		return []byte("export{" + strings.Join(all, ",") + "};\n")
	})
	return short
}

var (
	sharedImport = regexp.MustCompile(`^import\{([^{}]*)\}from"\./shared\.js";?`)
	word         = regexp.MustCompile(`[\w$]+`)
)

// trimImport takes names from the import of shared.js that a bundle begins with if they stand nowhere else in it: esbuild leaves
// them, for a module that is not in the bundle might do something when it is asked for them.
func trimImport(script []byte) []byte {
	m := sharedImport.FindSubmatch(script)
	if m == nil {
		return script
	}
	rest := script[len(m[0]):]
	used := map[string]bool{}
	for _, w := range word.FindAll(rest, -1) {
		used[string(w)] = true
	}
	names := slices.DeleteFunc(strings.Split(string(m[1]), ","), func(name string) bool {
		_, local, renamed := strings.Cut(name, " as ")
		if !renamed {
			local = name
		}
		return !used[local]
	})
	return append([]byte("import{"+strings.Join(names, ",")+`}from"./shared.js";`), rest...)
}

// style is one sheet from all in src/style, in the order of app.css, and one for each part that has its own.
func style(files map[string][]byte, web string) error {
	for name := range entries {
		source := "src/style/" + name + ".css"
		if _, err := os.Stat(filepath.Join(web, source)); err != nil {
			continue
		}
		o := options(web)
		o.EntryPoints = []string{source}
		if err := add(files, api.Build(o)); err != nil {
			return err
		}
	}
	return nil
}

func add(files map[string][]byte, result api.BuildResult) error {
	if len(result.Errors) > 0 {
		return errors.New(strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage}), "\n"))
	}
	for _, f := range result.OutputFiles {
		files[filepath.Base(f.Path)] = f.Contents
	}
	return nil
}

// sharing finds libraries in web/third_party, and lets a bundle take what is shared from shared.js: through one module that names
// all of it, so that each name is imported once, and one that is not there is an error.
func sharing(web string, exports map[string]string) api.Plugin {
	const namespace = "shared"
	own := func(path string) bool {
		rel, err := filepath.Rel(web, path)
		return err == nil && slices.ContainsFunc(shared, func(folder string) bool { return strings.HasPrefix(filepath.ToSlash(rel), folder) })
	}
	return api.Plugin{Name: "sharing", Setup: func(b api.PluginBuild) {
		b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: namespace}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
			var all []string
			for _, name := range slices.Sorted(maps.Keys(exports)) {
				all = append(all, exports[name]+" as "+name)
			}
			content := "export {" + strings.Join(all, ",") + `} from "./shared.js"`
			return api.OnLoadResult{Contents: &content, Loader: api.LoaderJS}, nil
		})
		b.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if a.Kind == api.ResolveEntryPoint || a.PluginData == "again" {
				return api.OnResolveResult{}, nil
			}
			if a.Namespace == namespace {
				return api.OnResolveResult{Path: a.Path, External: true}, nil
			}
			path := ""
			if file, ok := libraries[a.Path]; ok {
				path = filepath.Join(web, "third_party", filepath.FromSlash(file))
			} else {
				found := b.Resolve(a.Path, api.ResolveOptions{ResolveDir: a.ResolveDir, Importer: a.Importer, Kind: a.Kind, PluginData: "again"})
				if len(found.Errors) > 0 {
					return api.OnResolveResult{Errors: found.Errors}, nil
				}
				if path = found.Path; found.External {
					return api.OnResolveResult{Path: path, External: true}, nil
				}
			}
			if exports != nil && own(path) {
				return api.OnResolveResult{Path: namespace, Namespace: namespace, SideEffects: api.SideEffectsFalse}, nil
			}
			return api.OnResolveResult{Path: path}, nil
		})
	}}
}

// texts is one script a language with the words of src/text/LANGUAGE/*.json, by key; words of a part that is loaded when it
// is needed are in one of their own.
func texts(files map[string][]byte, web string) error {
	for _, lang := range []string{"sv", "nb", "en"} {
		scripts, err := words(filepath.Join(web, "src", "text", lang), lang)
		if err != nil {
			return err
		}
		for script, some := range scripts {
			var b bytes.Buffer
			b.WriteString("export const texts=")
			encoder := json.NewEncoder(&b)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(some); err != nil {
				return err
			}
			files[script] = b.Bytes()
		}
	}
	return nil
}

// words are those of a language in a folder, by the script that has them. A key stands in one file alone.
func words(folder, lang string) (map[string]map[string]string, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	scripts := map[string]map[string]string{}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var some map[string]string
		if err := json.Unmarshal(raw, &some); err != nil {
			return nil, fmt.Errorf("%s/%s: %w", lang, filepath.Base(name), err)
		}
		script := textScript(strings.TrimSuffix(filepath.Base(name), ".json"), lang)
		if scripts[script] == nil {
			scripts[script] = map[string]string{}
		}
		for key, text := range some {
			if all[key] {
				return nil, fmt.Errorf("%s/%s: %q stands in another file, too", lang, filepath.Base(name), key)
			}
			all[key], scripts[script][key] = true, joined.Replace(text)
		}
	}
	return scripts, nil
}

// joined keeps the Swedish and Norwegian word for mail on one line: browsers break it after its hyphen.
var joined = strings.NewReplacer("e-post", "e-\u2060post", "E-post", "E-\u2060post")

// textScript is the script that has the words of an area.
func textScript(area, lang string) string {
	part, _, _ := strings.Cut(area, "-") // settings-security belongs to settings
	if _, ok := entries[part]; ok {
		return part + "." + lang + ".js"
	}
	return "text." + lang + ".js"
}

// icons is one sheet of symbols from those of lucide-static that lie in third_party.
func icons(files map[string][]byte, web string) error {
	folder := filepath.Join(web, "third_party", "lucide-static", "icons")
	names, err := filepath.Glob(filepath.Join(folder, "*.svg"))
	if err != nil {
		return err
	}
	symbols := map[string]string{}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		_, rest, begins := strings.Cut(string(raw), "<svg")
		_, inside, open := strings.Cut(rest, ">")
		inside, _, closed := strings.Cut(inside, "</svg>")
		if !begins || !open || !closed {
			return fmt.Errorf("%s is no picture", filepath.Base(name))
		}
		symbols[strings.TrimSuffix(filepath.Base(name), ".svg")] = strings.Join(strings.Fields(inside), " ")
	}
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg">`)
	for _, name := range slices.Sorted(maps.Keys(symbols)) {
		fmt.Fprintf(&b, `<symbol id="%s" viewBox="0 0 24 24">%s</symbol>`, name, symbols[name])
	}
	b.WriteString("</svg>")
	files["icons.svg"] = []byte(b.String())
	return nil
}
