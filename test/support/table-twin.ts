/**
 * TableTwin is a table of nf_tables as the kernel keeps it, simple and strict: what the kernel would
 * refuse, it refuses. It tells what a list of changes amounts to.
 */
import { assert, unreachable } from "../../src/base/assert.ts";
import type { Chain, Element, HashSet, Rule, Statement } from "../../src/kernel/nftables.ts";
import type { HeldElement, HeldTable } from "../../src/kernel/nftables-dump.ts";

type Content = {
  readonly sets: Map<string, HashSet>;
  readonly elements: Map<string, Map<string, Element>>;
  readonly chains: Map<string, Chain>;
  readonly rules: Map<string, Rule[]>;
};

export class TableTwin {
  #content: Content | null = null;

  /** All of the changes or, when one is refused, none. */
  commit(statements: readonly Statement[]): void {
    const before = structuredClone(this.#content);
    try {
      for (const statement of statements) this.#apply(statement);
    } catch (error) {
      this.#content = before;
      throw error;
    }
  }

  get table(): HeldTable | null {
    if (this.#content === null) return null;
    const { sets, chains, rules } = this.#content;
    return {
      sets: [...sets.values()],
      chains: [...chains.values()],
      rules: new Map([...rules].filter(([, list]) => list.length > 0)),
      foreign: [],
    };
  }

  elementsOf(set: string): readonly HeldElement[] {
    return Array.from(this.#elements(set).values(), (element) => ({
      ...element,
      remainingMs: element.timeoutMs,
    }));
  }

  #apply(statement: Statement): void {
    switch (statement.kind) {
      case "add_table":
        this.#content ??= {
          sets: new Map(),
          elements: new Map(),
          chains: new Map(),
          rules: new Map(),
        };
        return;
      case "delete_table":
        this.#open();
        this.#content = null;
        return;
      case "add_set":
        this.#open().sets.set(statement.set.name, statement.set);
        this.#open().elements.set(statement.set.name, new Map());
        return;
      case "add_chain":
        this.#open().chains.set(statement.chain.name, statement.chain);
        this.#open().rules.set(statement.chain.name, []);
        return;
      case "flush_chain":
        this.#rules(statement.chain).length = 0;
        return;
      case "add_rule":
        this.#addRule(statement.chain, statement.rule);
        return;
      case "flush_set":
        this.#elements(statement.set).clear();
        return;
      case "add_elements":
        this.#addElements(statement.set, statement.elements);
        return;
      case "delete_elements":
        assert(statement.elements.length > 0, "no element would mean every element");
        for (const { key } of statement.elements)
          assert(this.#elements(statement.set).delete(key.toHex()), "no such element");
        return;
      default:
        unreachable(statement);
    }
  }

  #addRule(chain: string, rule: Rule): void {
    for (const expression of rule) {
      if (expression.kind === "lookup") this.#elements(expression.set);
      if (expression.kind === "immediate" && expression.verdict.kind === "jump")
        this.#rules(expression.verdict.chain);
    }
    this.#rules(chain).push(rule);
  }

  #addElements(name: string, added: readonly Element[]): void {
    const held = this.#elements(name);
    assert(added.length > 0, "a list of elements names some");
    for (const element of added) {
      assert(element.timeoutMs !== 0, "a timeout of 0 is none");
      if (!held.has(element.key.toHex())) held.set(element.key.toHex(), element);
    }
  }

  #open(): Content {
    assert(this.#content !== null, "no such table");
    return this.#content;
  }

  #elements(set: string): Map<string, Element> {
    const elements = this.#open().elements.get(set);
    assert(elements !== undefined, `no such set: ${set}`);
    return elements;
  }

  #rules(chain: string): Rule[] {
    const rules = this.#open().rules.get(chain);
    assert(rules !== undefined, `no such chain: ${chain}`);
    return rules;
  }
}
