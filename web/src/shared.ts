// What all scripts of the webmail share. It is a bundle of its own, from which the others import (see web/build).

export { Component, Fragment, render } from "preact";
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
export { jsx, jsxs } from "preact/jsx-runtime";
export { batch, computed, effect, signal, untracked, useComputed, useSignal, useSignalEffect } from "@preact/signals";
export * from "./core/first";
export * from "./core/text";
export * from "./core/load";
export * from "./core/jmap";
export * from "./core/standin";
export * from "./core/route";
export * from "./core/mail";
export * from "./core/worker";
export * from "./core/labels";
export * from "./core/alerts";
export * from "./core/list";
export * from "./core/actions";
export * from "./core/kept";
export * from "./core/outbox";
export * from "./ui/toast";
export * from "./ui/icon";
export * from "./ui/button";
export * from "./ui/virtual";
export * from "./ui/id";
export * from "./ui/place";
export * from "./ui/menu";
export * from "./ui/dialog";
export * from "./ui/pick";
