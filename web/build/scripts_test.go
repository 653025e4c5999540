package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// TestScripts runs the tests that lie beside the source, each bundled with what it imports, in Node.
func TestScripts(t *testing.T) {
	web, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(web, "src", "test", "page.ts")
	for _, name := range testsBelow(t, filepath.Join(web, "src")) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "test.mjs")
			result := api.Build(api.BuildOptions{
				AbsWorkingDir: web, EntryPoints: []string{name}, Inject: []string{page}, Outfile: out, Bundle: true, Write: true, Platform: api.PlatformNode,
				Format: api.FormatESModule, Target: api.ES2022, JSX: api.JSXAutomatic, JSXImportSource: "preact", LogLevel: api.LogLevelSilent,
				Plugins: []api.Plugin{sharing(web, nil)},
			})
			for _, e := range result.Errors {
				t.Fatal(e.Text)
			}
			if text, err := exec.CommandContext(t.Context(), "node", "--test", out).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, text)
			} else if !strings.Contains(string(text), "# fail 0") || strings.Contains(string(text), "# pass 0") {
				t.Errorf("no test ran:\n%s", text)
			}
		})
	}
}

func testsBelow(t *testing.T, folder string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".test.ts") {
			names = append(names, path)
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatal("no tests", err)
	}
	return names
}
