import { Squire } from './Editor';
export default Squire;
//# sourceMappingURL=Squire.d.ts.map